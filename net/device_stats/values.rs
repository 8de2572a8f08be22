// SPDX-License-Identifier: GPL-2.0

//! The values of the device in `ethtool -S`.

use super::{
    kinds::{
        QueueKind,
        Types, //
    },
    reply::Record, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// The values of the device in `ethtool -S`, of each queue in use.
pub(crate) struct Values {
    types: Types,
    /// The values of each kind of queue, in the order of [`QueueKind::ALL`]. A value that is not
    /// there is 0.
    tables: [KVec<u64>; 3],
}

impl Values {
    /// Returns values that are 0.
    pub(crate) const fn zero(types: Types) -> Self {
        Self {
            types,
            tables: [KVec::new(), KVec::new(), KVec::new()],
        }
    }

    /// Returns values that are 0, with room for those of `pairs` pairs of queues.
    pub(super) fn with_room(types: Types, pairs: usize) -> Result<Self> {
        let mut values = Self::zero(types);
        for (table, kind) in values.tables.iter_mut().zip(QueueKind::ALL) {
            let queues = match kind {
                QueueKind::Receive | QueueKind::Transmit => pairs,
                QueueKind::Control => 1,
            };
            *table = KVec::zeroed(types.names(kind).count() * queues, GFP_KERNEL)?;
        }
        Ok(values)
    }

    /// Writes the values of a record about a queue, by its number among those of its kind.
    pub(super) fn put(&mut self, queue: usize, record: &Record<'_>) {
        let kind = record.about.kind;
        let before = self.types.of(kind);
        let before = before.take_while(|one| one.number != record.about.number);
        let first = self.types.names(kind).count() * queue
            + before.map(|one| one.names.len()).sum::<usize>();
        let table = self.tables.get_mut(kind as usize);
        let places = table.into_iter().flatten().skip(first);
        for (to, &(_, value)) in places.zip(record.about.names) {
            *to = record.value(value);
        }
    }

    fn table(&self, kind: QueueKind) -> &[u64] {
        self.tables.get(kind as usize).map_or(&[], |table| table)
    }

    /// Returns the values of a queue, by its number among those of its kind.
    pub(crate) fn of_queue(
        &self,
        kind: QueueKind,
        queue: usize,
    ) -> impl Iterator<Item = u64> + use<'_> {
        let count = self.types.names(kind).count();
        let table = self.table(kind);
        (0..count).map(move |i| table.get(count * queue + i).copied().unwrap_or(0))
    }

    /// Returns the sums of the values over all queues of a kind.
    pub(crate) fn sums(&self, kind: QueueKind) -> impl Iterator<Item = u64> + use<'_> {
        let count = self.types.names(kind).count();
        let table = self.table(kind);
        (0..count).map(move |i| {
            let values = table.iter().skip(i).step_by(count);
            // OVERFLOW: The device chooses the values.
            values.fold(0, |sum: u64, &value| sum.wrapping_add(value))
        })
    }
}
