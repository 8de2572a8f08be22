// SPDX-License-Identifier: GPL-2.0

//! Binding and unbinding a device.

use crate::{
    driver_data::Data,
    features,
    globals::DiskIndex,
    limits,
    power,
    queue::Slot,
    queues,
    recovery::Recovery,
    resize,
    restart::give_up_if_needed,
    setup,
    shared::Shared,
    sysfs,
    watch::{
        Phase,
        Watch, //
    },
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
    DeviceLink,
    Driver,
    Feature,
    IdTable,
    QueueHandle,
    Scope, //
};

virtio::virtio_device_table!(ID_TABLE, [virtio::DeviceId::BLOCK]);

impl Driver for Blk {
    type Data<'bound> = Data;
    const ID_TABLE: IdTable = &ID_TABLE;
    const FEATURES: &'static [Feature] = features::ALL;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        _scope: Scope<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || make(dev))
    }

    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&Data>) -> Result {
        data.shared.set_recovery(Some(&data.recovery));
        // With the link: a device that broke a queue by now may just be given up.
        let ready = data.shared.with_device(|dev| {
            if data.shared.is_broken() || !data.shared.has_queues() {
                return Err(EIO);
            }
            dev.ready();
            Ok(())
        });
        if let Err(e) = ready.unwrap_or(Err(ENODEV)) {
            dev_err!(dev.as_ref(), "a queue broke before the disk was added\n");
            end(dev, &data);
            return Err(e);
        }
        match data.disk.register(dev.as_ref(), &sysfs::ATTRIBUTES) {
            Ok(registration) => {
                *data.registration.lock() = Some(registration);
                // Reading the partition table may have broken a queue. A device that is given up
                // by now does not become bound.
                give_up_if_needed(&data.disk);
                data.shared.watch.set_phase(Phase::Running);
                data.recovery.call();
                Ok(())
            }
            Err(EEXIST) => {
                // Another driver made a disk of that name since it was found to be free. The next
                // probe, which that disk brings about, takes another one.
                dev_info!(
                    dev.as_ref(),
                    "disk name {} was taken by another driver, probing again\n",
                    data.disk.name()
                );
                end(dev, &data);
                Err(EPROBE_DEFER)
            }
            Err(e) => {
                dev_err!(
                    dev.as_ref(),
                    "disk {} cannot be added: {:?}\n",
                    data.disk.name(),
                    e
                );
                end(dev, &data);
                Err(e)
            }
        }
    }

    fn remove(dev: &Device<Core<'_>>, data: Pin<&Data>) {
        // From here on a device that does not answer is given up.
        data.shared.watch.set_phase(Phase::Going);
        give_up_if_needed(&data.disk);
        // No change of the configuration is followed up from here on.
        data.recovery.wait();
        // A failed wake-up left requests waiting.
        data.recovery.let_go();
        data.disk.start_stopped_queues();
        if !data.shared.has_queues() {
            data.disk.mark_dead();
        }
        // Waits for requests. A queue that breaks now, or a request that is not answered, is still
        // attended to.
        let registration = data.registration.lock().take();
        drop(registration);
        end(dev, &data);
    }

    #[inline]
    fn vq_callback(_dev: &Device<Bound>, data: Pin<&Data>, queue: &QueueHandle) {
        if let Some(slot) = data.shared.slot(queue.index()) {
            if slot.interrupt() {
                data.recovery.call();
            }
        }
    }

    fn config_changed(_dev: &Device<Bound>, data: Pin<&Data>) {
        data.shared.watch.note_reconfigured();
        data.recovery.call();
    }

    fn freeze(_dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        power::stop(data)
    }

    fn restore(dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        power::go_on(dev, data)
    }

    fn reset_prepare(_dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        power::stop(data)
    }

    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        power::go_on(dev, data)
    }

    fn not_woken(_dev: &Device<Bound>, data: Pin<&Data>) {
        power::not_woken(data);
    }

    fn shutdown(dev: &Device<Core<'_>>, data: Pin<&Data>) {
        data.shared.watch.set_phase(Phase::Going);
        // Nobody else resets the device from here on, nor takes the queues: not because they are
        // broken now either.
        data.shared.link.cut();
        // What comes from here on fails.
        data.shared.set_recovery(None);
        data.shared.cut_off(dev);
    }
}

/// Resets the device and gives its queues up: what is under way fails.
fn end(dev: &Device<Bound>, data: &Data) {
    data.shared.link.cut();
    data.shared.reset(dev);
    data.shared.take_queues();
    // The disk, which the recovery is for, has the queues: neither would end before the other.
    data.shared.set_recovery(None);
}

/// Makes the driver data, and the disk without registering it.
fn make(dev: &Device<Bound>) -> Result<impl PinInit<Data, Error>> {
    if !dev.has_config() {
        dev_err!(dev.as_ref(), "probe failure: config access disabled\n");
        return Err(EINVAL);
    }
    let globals = GLOBALS.get().ok_or(ENODEV)?;
    let index = DiskIndex::take(dev, globals.clone())?;
    let split = queues::split_of(dev, NUM_REQUEST_QUEUES.get(), POLL_QUEUES.get())?;
    dev_info!(
        dev.as_ref(),
        "{}/0/{} default/read/poll queues\n",
        split.default,
        split.poll
    );
    let raw = setup::raw(dev)?;
    let found = queues::find_queues(dev, split, limits::max_segments(raw.seg_max))?;
    let mut limits = setup::limits(dev, &raw)?;
    let depth = queues::fit_queue(dev, &found, &mut limits);
    let set = queues::make_tag_set(split, depth, &found)?;

    let name = index.name();
    let numbers = index.numbers();
    // Also of a legacy device: which kind it is, the device says.
    let strict = STRICT_LENGTHS.get() || memory::is_encrypted();
    let mut slots = KVec::with_capacity(found.len(), GFP_KERNEL)?;
    for queue in found {
        let slot = Slot::new(dev.endian(), strict)?;
        slot.as_ref().fill(queue);
        slots.push(slot, GFP_KERNEL)?;
    }
    let link = DeviceLink::new(dev)?;
    let shared = Arc::pin_init(
        pin_init!(Shared {
            slots,
            endian: dev.endian(),
            link,
            cache_control: dev.has_feature(features::CONFIG_WCE),
            identifying <- new_mutex!(None),
            watch: Watch::new(raw.write_cache),
            _index: index,
        }),
        GFP_KERNEL,
    )?;
    let disk = GenDisk::new(set, limits, name.as_cstr(), numbers, shared.clone())?;
    let disk = Arc::new(disk, GFP_KERNEL)?;
    if dev.has_feature(features::RO) {
        disk.set_read_only(true);
    }
    resize::update_capacity(dev, &disk, false)?;

    let recovery = Recovery::new(disk.clone(), globals, dev.is_mapped_by_transport())?;
    Ok(pin_init!(Data {
        recovery,
        registration <- new_mutex!(None),
        disk,
        shared,
    }? Error))
}
