// SPDX-License-Identifier: GPL-2.0

//! Lists of requests, linked through the requests themselves.

use super::{
    op::OP_MASK,
    IdleRequest,
    Operations,
    Request,
    RequestInfo, //
};
use crate::{
    bindings,
    Status, //
};
use core::{
    marker::PhantomData,
    ptr::{
        null_mut,
        NonNull, //
    },
};

mod private {
    use super::*;

    /// A request that converts to a pointer and back.
    pub trait Sealed: Sized {
        fn into_raw(self) -> NonNull<bindings::request>;

        /// # Safety
        ///
        /// `ptr` came from `into_raw` of the same type, and is converted once.
        unsafe fn from_raw(ptr: NonNull<bindings::request>) -> Self;
    }

    impl<T: Operations> Sealed for IdleRequest<T> {
        #[inline]
        fn into_raw(self) -> NonNull<bindings::request> {
            IdleRequest::into_raw(self)
        }

        #[inline]
        unsafe fn from_raw(ptr: NonNull<bindings::request>) -> Self {
            // SAFETY: By the safety requirements, `into_raw` of this type gave `ptr`, used up here.
            unsafe { IdleRequest::from_raw(ptr) }
        }
    }

    impl<T: Operations> Sealed for Request<T> {
        #[inline]
        fn into_raw(self) -> NonNull<bindings::request> {
            Request::into_raw(self)
        }

        #[inline]
        unsafe fn from_raw(ptr: NonNull<bindings::request>) -> Self {
            // SAFETY: By the safety requirements, `into_raw` of this type gave `ptr`, used up here.
            unsafe { Request::from_raw(ptr) }
        }
    }
}

/// An item that a list can hold: [`IdleRequest`] or [`Request`].
pub trait Item: private::Sealed {}

impl<T: Operations> Item for IdleRequest<T> {}
impl<T: Operations> Item for Request<T> {}

/// A list of owned requests, first in, first out, linked through the requests themselves.
///
/// Dropping it drops the requests in it.
///
/// # Invariants
///
/// Each request in the list came from `R::into_raw`.
#[repr(transparent)]
pub struct RequestList<R: Item> {
    list: bindings::rq_list,
    _requests: PhantomData<R>,
}

// SAFETY: The list owns its requests.
unsafe impl<R: Item + Send> Send for RequestList<R> {}

impl<R: Item> Default for RequestList<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Item> RequestList<R> {
    /// Returns an empty list.
    #[inline]
    pub const fn new() -> Self {
        Self {
            list: bindings::rq_list {
                head: null_mut(),
                tail: null_mut(),
            },
            _requests: PhantomData,
        }
    }

    /// Wraps a list of C.
    ///
    /// # Safety
    ///
    /// For `'a`, `list` is valid, used by nothing else, and fulfils the type invariants.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(list: *mut bindings::rq_list) -> &'a mut Self {
        // SAFETY: By the safety requirements; `Self` is a transparent wrapper.
        unsafe { &mut *list.cast() }
    }

    /// Whether the list has no request.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.head.is_null()
    }

    /// Appends all requests of another list.
    pub fn append(&mut self, mut other: Self) {
        while let Some(request) = other.pop_front() {
            self.push_back(request);
        }
    }

    /// Appends a request.
    #[inline]
    pub fn push_back(&mut self, request: R) {
        let rq = request.into_raw().as_ptr();
        // SAFETY: The list owns `rq` and the tail; the link is free for the owner to use.
        unsafe { (*rq).__bindgen_anon_1.rq_next = null_mut() };
        if self.list.tail.is_null() {
            self.list.head = rq;
        } else {
            // SAFETY: The list owns the tail, which is not null, and its link.
            unsafe { (*self.list.tail).__bindgen_anon_1.rq_next = rq };
        }
        self.list.tail = rq;
    }

    /// Takes the first request.
    #[inline]
    pub fn pop_front(&mut self) -> Option<R> {
        let rq = NonNull::new(self.list.head)?;
        // SAFETY: The list owns the request and its link.
        self.list.head = unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next };
        if self.list.head.is_null() {
            self.list.tail = null_mut();
        }
        // SAFETY: The list still owns the request and its link.
        unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next = null_mut() };
        // SAFETY: The request came from `into_raw` (type invariant), and was just removed.
        Some(unsafe { R::from_raw(rq) })
    }
}

/// A stack of owned requests, linked through the requests themselves. It has the size of a pointer.
///
/// Dropping it drops the requests in it.
///
/// # Invariants
///
/// `head` is null or came from `R::into_raw`, as did each request that is linked to it.
pub struct RequestStack<R: Item> {
    head: *mut bindings::request,
    _requests: PhantomData<R>,
}

impl<R: Item> RequestStack<R> {
    /// Returns an empty stack.
    #[inline]
    pub const fn new() -> Self {
        Self {
            head: null_mut(),
            _requests: PhantomData,
        }
    }

    /// Whether the stack has no request.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Pushes a request.
    #[inline]
    pub fn push(&mut self, request: R) {
        let rq = request.into_raw().as_ptr();
        // SAFETY: The stack owns `rq`; the link is free for the owner to use.
        unsafe { (*rq).__bindgen_anon_1.rq_next = self.head };
        self.head = rq;
    }

    /// Pops the request that was pushed last.
    #[inline]
    pub fn pop(&mut self) -> Option<R> {
        let rq = NonNull::new(self.head)?;
        // SAFETY: The stack owns the request and its link.
        self.head = unsafe { (*rq.as_ptr()).__bindgen_anon_1.rq_next };
        // SAFETY: The request came from `into_raw` (type invariant), and was just removed.
        Some(unsafe { R::from_raw(rq) })
    }

    /// Returns a stack with the opposite order: its first [`pop`](RequestStack::pop) returns the
    /// request that was pushed first.
    #[inline]
    pub fn reversed(mut self) -> Self {
        let mut other = Self::new();
        while let Some(request) = self.pop() {
            other.push(request);
        }
        other
    }
}

impl<R: Item> Default for RequestStack<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Item> Drop for RequestStack<R> {
    #[inline]
    fn drop(&mut self) {
        while let Some(request) = self.pop() {
            drop(request);
        }
    }
}

impl<T: Operations> RequestList<IdleRequest<T>> {
    /// Returns the first request.
    #[inline]
    pub fn front(&self) -> Option<&RequestInfo<T>> {
        // SAFETY: The list owns its requests; `RequestInfo` is a transparent wrapper.
        unsafe { self.list.head.cast::<RequestInfo<T>>().as_ref() }
    }
}

impl<R: Item> Drop for RequestList<R> {
    fn drop(&mut self) {
        while let Some(request) = self.pop_front() {
            drop(request);
        }
    }
}

/// A batch of requests that end together, which saves work for each.
///
/// The requests end when the batch is dropped. If the block layer has lent the batch, they end when
/// the block layer ends it.
pub struct CompletionBatch<'a, T: Operations> {
    /// The batch of the caller of `poll`, if it has one. Otherwise `own` is used.
    lent: Option<&'a mut bindings::io_comp_batch>,
    own: bindings::io_comp_batch,
    _ops: PhantomData<T>,
}

impl<'a, T: Operations> CompletionBatch<'a, T> {
    /// Returns a batch that ends when it is dropped.
    #[inline]
    pub fn new() -> Self {
        Self {
            lent: None,
            own: pin_init::zeroed(),
            _ops: PhantomData,
        }
    }

    /// Returns the batch of a caller, or a new one.
    ///
    /// # Safety
    ///
    /// `batch` is null. Or it is valid for `'a`, and nothing else uses it.
    pub(super) unsafe fn from_raw(batch: *mut bindings::io_comp_batch) -> Self {
        Self {
            // SAFETY: By the safety requirements, `batch` is null, or valid and only used here.
            lent: unsafe { batch.as_mut() },
            ..Self::new()
        }
    }

    /// Ends a request: with the batch if possible, otherwise at once.
    #[inline]
    pub fn end(&mut self, request: Request<T>, status: Status) {
        let ptr = request.into_raw().as_ptr();
        let batch = self.lent.as_deref_mut().unwrap_or(&mut self.own);
        // SAFETY: The request is owned, so its fields do not change. A timeout may change flags
        // that are not used here.
        let (flags, passthrough, hooked) = unsafe {
            let op = (*ptr).cmd_flags & OP_MASK;
            (
                (&raw const (*ptr).rq_flags).read_volatile(),
                op == bindings::req_op_REQ_OP_DRV_IN || op == bindings::req_op_REQ_OP_DRV_OUT,
                (*ptr).end_io.is_some(),
            )
        };
        let ours = batch
            .complete
            .is_none_or(|f| core::ptr::fn_addr_eq(f, Self::END as CompleteFn));
        if flags & bindings::RQF_SCHED_TAGS != 0
            || passthrough
            || hooked
            || status != Status::OK
            || !ours
        {
            // SAFETY: The request was owned, and its ownership is passed here.
            unsafe { bindings::blk_mq_end_request(ptr, status.into_raw()) };
            return;
        }

        batch.complete = Some(Self::END);
        batch.need_ts |=
            flags & (bindings::RQF_IO_STAT | bindings::RQF_STATS | bindings::RQF_USE_SCHED) != 0;
        // SAFETY: The list has requests whose ownership was passed to the batch.
        let list = unsafe { RequestList::<Request<T>>::from_raw(&raw mut batch.req_list) };
        // SAFETY: `ptr` came from `into_raw` above. The list owns the request now.
        list.push_back(unsafe { Request::from_raw(NonNull::new_unchecked(ptr)) });
    }

    const END: CompleteFn = bindings::blk_mq_end_request_batch;
}

type CompleteFn = unsafe extern "C" fn(*mut bindings::io_comp_batch);

impl<T: Operations> Default for CompletionBatch<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Operations> Drop for CompletionBatch<'_, T> {
    fn drop(&mut self) {
        if !self.own.req_list.head.is_null() {
            // SAFETY: The batch has requests. It owns all of them, and their status is OK.
            unsafe { bindings::blk_mq_end_request_batch(&mut self.own) };
        }
    }
}
