// SPDX-License-Identifier: GPL-2.0

//! Binding and unbinding a device.

use crate::{
    disk_data::DiskData,
    driver_data::DriverData,
    features,
    globals::DiskIndex,
    health::{
        Health,
        Phase, //
    },
    limits,
    message_limit::MessageLimit,
    negotiated,
    power,
    queue::LockedQueue,
    queues,
    recovery::Recovery,
    resize,
    restart::fail_device_if_unusable,
    sysfs,
    Blk,
    GLOBALS,
    NUM_REQUEST_QUEUES,
    POLL_QUEUES,
    STRICT_LENGTHS, //
};
use blockdev::{
    memory,
    GenDisk, //
};
use kernel::{
    device::{
        Bound,
        Core, //
    },
    new_mutex,
    prelude::*,
    sync::Arc, //
};
use virtio::{
    Device,
    Driver,
    Feature,
    IdTable,
    QueueHandle,
    Scope,
    WeakDevice, //
};

virtio::virtio_device_table!(ID_TABLE, [virtio::DeviceId::BLOCK]);

impl Driver for Blk {
    type Data<'bound> = DriverData;
    const ID_TABLE: IdTable = &ID_TABLE;
    const FEATURES: &'static [Feature] = features::ALL;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        _scope: Scope<'bound>,
    ) -> impl PinInit<DriverData, Error> + 'bound {
        pin_init::pin_init_scope(move || new_driver_data(dev))
    }

    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&DriverData>) -> Result {
        data.disk_data.set_recovery(Some(&data.recovery));
        // With the device locked (`with_device`): a queue may have broken by now, so that the
        // recovery fails the device.
        let ready = data.disk_data.with_device(|dev| {
            if data.disk_data.is_broken() || !data.disk_data.has_queues() {
                return Err(EIO);
            }
            dev.ready();
            Ok(())
        });
        if let Err(e) = ready.unwrap_or(Err(ENODEV)) {
            dev_err!(
                dev.as_ref(),
                "a queue broke during probe: the device is not used\n"
            );
            teardown(dev, &data);
            return Err(e);
        }
        match data.disk.register(dev.as_ref(), &sysfs::ATTRIBUTES) {
            Ok(registration) => {
                *data.registration.lock() = Some(registration);
                // Reading the partition table may have broken a queue.
                fail_device_if_unusable(&data.disk);
                data.disk_data.health.set_phase(Phase::Running);
                data.recovery.schedule();
                Ok(())
            }
            Err(EEXIST) => {
                // Another driver has registered a disk of this name after the check that the name
                // is free. The binding of that disk causes another probe of this device, which
                // chooses another name.
                dev_info!(
                    dev.as_ref(),
                    "disk name {} was taken by another driver, probing again\n",
                    data.disk.name()
                );
                teardown(dev, &data);
                Err(EPROBE_DEFER)
            }
            Err(e) => {
                dev_err!(
                    dev.as_ref(),
                    "disk {} cannot be added: {:?}\n",
                    data.disk.name(),
                    e
                );
                teardown(dev, &data);
                Err(e)
            }
        }
    }

    fn remove(dev: &Device<Core<'_>>, data: Pin<&DriverData>) {
        // From here on, a device that does not answer is failed.
        data.disk_data.health.set_phase(Phase::Removing);
        fail_device_if_unusable(&data.disk);
        // From here on, changes of the configuration are ignored.
        data.recovery.flush();
        // A failed wake-up or restart left requests waiting.
        data.recovery.release_held();
        data.disk.start_stopped_queues();
        if !data.disk_data.has_queues() {
            data.disk.mark_dead();
        }
        // Waits for requests. The recovery still handles a queue that breaks now, or a request that
        // is not answered. The watch handles a device that answers nothing.
        data.recovery.watch_removal();
        let registration = data.registration.lock().take();
        drop(registration);
        teardown(dev, &data);
    }

    #[inline]
    fn vq_callback(_dev: &Device<Bound>, data: Pin<&DriverData>, queue: &QueueHandle) {
        if let Some(queue) = data.disk_data.queue(queue.index()) {
            if queue.interrupt() {
                data.recovery.schedule();
            }
        }
    }

    fn config_changed(_dev: &Device<Bound>, data: Pin<&DriverData>) {
        data.disk_data.health.note_reconfigured();
        data.recovery.schedule();
    }

    fn freeze(_dev: &Device<Core<'_>>, data: Pin<&DriverData>) -> Result {
        power::freeze(data)
    }

    fn restore(dev: &Device<Core<'_>>, data: Pin<&DriverData>) -> Result {
        power::restore(dev, data)
    }

    fn reset_prepare(_dev: &Device<Core<'_>>, data: Pin<&DriverData>) -> Result {
        power::freeze(data)
    }

    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&DriverData>) -> Result {
        power::restore(dev, data)
    }

    fn not_woken(_dev: &Device<Bound>, data: Pin<&DriverData>) {
        power::not_woken(data);
    }

    fn shutdown(dev: &Device<Core<'_>>, data: Pin<&DriverData>) {
        data.disk_data.health.set_phase(Phase::Removing);
        // From here on, the recovery neither resets the device nor drops its queues, although the
        // queues are broken below.
        data.disk_data.device.revoke();
        // Requests fail from here on.
        data.disk_data.set_recovery(None);
        data.disk_data.quiesce_and_reset(dev);
        // A failed wake-up or restart left requests waiting.
        data.recovery.release_held();
    }
}

/// Resets the device and drops its queues: outstanding requests fail.
fn teardown(dev: &Device<Bound>, data: &DriverData) {
    data.disk_data.device.revoke();
    data.disk_data.reset(dev);
    data.disk_data.drop_queues();
    // The disk owns the queues, and the recovery owns the disk. A queue that kept a reference to
    // the recovery would never be freed.
    data.disk_data.set_recovery(None);
}

/// Creates the driver data, with a disk that is not registered yet.
fn new_driver_data(dev: &Device<Bound>) -> Result<impl PinInit<DriverData, Error>> {
    if !dev.has_config() {
        dev_err!(dev.as_ref(), "probe failure: config access disabled\n");
        return Err(EINVAL);
    }
    let globals = GLOBALS.get().ok_or(ENODEV)?;
    let index = DiskIndex::take(dev, globals.clone())?;
    let split = queues::decide_split(dev, NUM_REQUEST_QUEUES.get(), POLL_QUEUES.get())?;
    dev_info!(
        dev.as_ref(),
        "{}/0/{} default/read/poll queues\n",
        split.default,
        split.poll
    );
    let raw = negotiated::raw(dev)?;
    let found = queues::find_queues(dev, split, limits::max_segments(raw.seg_max))?;
    let mut limits = negotiated::limits(dev, &raw)?;
    let depth = queues::fit_to_rings(dev, &found, &mut limits);
    let set = queues::make_tag_set(split, depth, &found)?;

    let name = index.name();
    let numbers = index.numbers();
    // Also for a legacy device: the device itself decides whether it is one, and cannot be trusted.
    let strict = STRICT_LENGTHS.get() || memory::is_encrypted();
    let mut queues = KVec::with_capacity(found.len(), GFP_KERNEL)?;
    for vq in found {
        let queue = LockedQueue::new(dev.endian(), strict)?;
        queue.as_ref().install(vq);
        queues.push(queue, GFP_KERNEL)?;
    }
    let device = WeakDevice::new(dev)?;
    let disk_data = Arc::pin_init(
        pin_init!(DiskData {
            queues,
            endian: dev.endian(),
            device,
            cache_control: dev.has_feature(features::CONFIG_WCE),
            pending_id <- new_mutex!(None),
            health: Health::new(raw.write_cache),
            messages: MessageLimit::new(),
            _index: index,
        }),
        GFP_KERNEL,
    )?;
    let disk = GenDisk::new(set, limits, name.as_cstr(), numbers, disk_data.clone())?;
    let disk = Arc::new(disk, GFP_KERNEL)?;
    if dev.has_feature(features::RO) {
        disk.set_read_only(true);
    }
    resize::update_capacity(dev, &disk, false)?;

    let recovery = Recovery::new(disk.clone(), globals, dev.is_mapped_by_transport())?;
    Ok(pin_init!(DriverData {
        recovery,
        registration <- new_mutex!(None),
        disk,
        disk_data,
    }? Error))
}
