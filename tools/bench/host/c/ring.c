// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's ring for a benchmark in user space: what a driver calls of it,
 * with scatterlists that are made once and not for each buffer.
 */
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/scatterlist.h>

/* tools/virtio wants these. */
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

struct rb {
	struct virtio_device vdev;
	struct virtqueue *vq;
	struct scatterlist sg[3];
	unsigned long calls;
};

static bool rb_notify(struct virtqueue *vq)
{
	return true;
}

static void rb_callback(struct virtqueue *vq)
{
	struct rb *rb = vq->priv;

	rb->calls++;
}

struct rb *rb_new(unsigned int num, unsigned long long features, void *header,
		  void *data, unsigned int len, void *status)
{
	struct rb *rb = calloc(1, sizeof(*rb));
	bool packed = features & (1ULL << VIRTIO_F_RING_PACKED);

	rb->vdev.features = features;
	INIT_LIST_HEAD(&rb->vdev.vqs);
	spin_lock_init(&rb->vdev.vqs_list_lock);
	/*
	 * As on PCI. The user-space alloc_pages_exact() knows no pages either:
	 * with their size here, the used ring would be behind the memory.
	 */
	rb->vq = vring_create_virtqueue(0, num, 64, &rb->vdev, true, false,
					false, rb_notify, rb_callback, "bench");
	if (!rb->vq)
		abort();
	rb->vq->priv = rb;
	/* Nor does it know __GFP_ZERO. */
	if (packed) {
		memset((void *)virtqueue_get_desc_addr(rb->vq), 0, 16 * num);
		memset((void *)virtqueue_get_avail_addr(rb->vq), 0, 4);
		memset((void *)virtqueue_get_used_addr(rb->vq), 0, 4);
	} else {
		memset((void *)virtqueue_get_desc_addr(rb->vq), 0,
		       PAGE_ALIGN(vring_size(num, 64)));
	}
	sg_init_one(&rb->sg[0], header, 16);
	sg_init_one(&rb->sg[1], data, len);
	sg_init_one(&rb->sg[2], status, 1);
	return rb;
}

void *rb_desc(struct rb *rb)
{
	return (void *)virtqueue_get_desc_addr(rb->vq);
}

void *rb_avail(struct rb *rb)
{
	return (void *)virtqueue_get_avail_addr(rb->vq);
}

void *rb_used(struct rb *rb)
{
	return (void *)virtqueue_get_used_addr(rb->vq);
}

int rb_add3(struct rb *rb, void *token)
{
	struct scatterlist *sgs[3] = { &rb->sg[0], &rb->sg[1], &rb->sg[2] };

	return virtqueue_add_sgs(rb->vq, sgs, 1, 2, token, GFP_ATOMIC);
}

int rb_add1(struct rb *rb, void *token)
{
	return virtqueue_add_inbuf(rb->vq, &rb->sg[1], 1, token, GFP_ATOMIC);
}

bool rb_kick_prepare(struct rb *rb)
{
	return virtqueue_kick_prepare(rb->vq);
}

void *rb_get(struct rb *rb, unsigned int *len)
{
	return virtqueue_get_buf(rb->vq, len);
}

void rb_disable_cb(struct rb *rb)
{
	virtqueue_disable_cb(rb->vq);
}

bool rb_enable_cb(struct rb *rb)
{
	return virtqueue_enable_cb(rb->vq);
}

bool rb_interrupt(struct rb *rb)
{
	return vring_interrupt(0, rb->vq) == IRQ_HANDLED;
}
