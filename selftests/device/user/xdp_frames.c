// SPDX-License-Identifier: GPL-2.0
/* Frames that another interface redirects to the interface of a test. */

#include <linux/bottom_half.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/xdp.h>

#include "xdp.h"

/* The bytes before the data of a frame, for the headers of drivers. */
#define HEADROOM 64

/* The pages of frames, each with a second reference, so that none is freed unseen. */
struct rust_virtio_fake_frames {
	u32 count;
	struct page *pages[] __counted_by(count);
};

/* Returns the number of frames from `first` on that have an owner. */
static u32 owned(const struct rust_virtio_fake_frames *frames, u32 first)
{
	u32 owned = 0;

	for (u32 i = first; i < frames->count; i++)
		owned += page_ref_count(frames->pages[i]) > 1;
	return owned;
}

u32 rust_virtio_fake_frames_owned(const struct rust_virtio_fake_frames *frames)
{
	return owned(frames, 0);
}

/* No frame has an owner, or its page leaks. */
void rust_virtio_fake_frames_free(struct rust_virtio_fake_frames *frames)
{
	for (u32 i = 0; i < frames->count; i++)
		if (frames->pages[i])
			put_page(frames->pages[i]);
	kfree(frames);
}

/* Returns `count` frames without owners, or NULL if there is no memory. */
struct rust_virtio_fake_frames *rust_virtio_fake_frames_new(u32 count)
{
	struct rust_virtio_fake_frames *frames;

	frames = kzalloc(struct_size(frames, pages, count), GFP_KERNEL);
	if (!frames)
		return NULL;
	frames->count = count;
	for (u32 i = 0; i < count; i++) {
		frames->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!frames->pages[i]) {
			rust_virtio_fake_frames_free(frames);
			return NULL;
		}
	}
	return frames;
}

/* A frame of `len` zeroes in a page, which the frame owns. */
static struct xdp_frame *frame_in(struct page *page, u32 len)
{
	struct xdp_frame *frame = page_address(page);

	get_page(page);
	frame->data = (void *)(frame + 1) + HEADROOM;
	frame->headroom = HEADROOM;
	frame->len = len;
	frame->mem_type = MEM_TYPE_PAGE_ORDER0;
	frame->frame_sz = PAGE_SIZE;
	return frame;
}

/*
 * Asks the interface to transmit the frames, each of `len` bytes, and frees those that it leaves
 * to its caller. Returns the number of frames that it took. -EBADF if it says so of frames that
 * it has freed, or of more than there are.
 */
int rust_virtio_fake_frames_xmit(struct net_device *dev, struct rust_virtio_fake_frames *frames,
				 u32 len, u32 flags)
{
	struct xdp_frame **all;
	int sent, first;

	if (!dev->netdev_ops->ndo_xdp_xmit)
		return -EOPNOTSUPP;
	all = kcalloc(frames->count, sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	for (u32 i = 0; i < frames->count; i++)
		all[i] = frame_in(frames->pages[i], len);
	local_bh_disable();
	sent = dev->netdev_ops->ndo_xdp_xmit(dev, frames->count, all, flags);
	local_bh_enable();
	/* The frames from here on are left to the caller. */
	first = clamp(sent, 0, (int)frames->count);
	if (sent > (int)frames->count || owned(frames, first) != frames->count - first)
		sent = -EBADF;
	/* As the core does, but for frames that were freed. */
	for (u32 i = first; i < frames->count; i++)
		if (page_ref_count(frames->pages[i]) > 1)
			xdp_return_frame(all[i]);
	kfree(all);
	return sent;
}
