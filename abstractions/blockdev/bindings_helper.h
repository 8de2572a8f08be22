/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the kernel that the crate `blockdev` needs and kernel::bindings lacks. */

#include <linux/hrtimer_types.h>

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/hdreg.h>
#include <linux/idr.h>
#include <linux/workqueue.h>

#include "helpers.h"

const blk_features_t RUST_CONST_HELPER_BLK_FEAT_IO_STAT = BLK_FEAT_IO_STAT;
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_WRITE_CACHE = BLK_FEAT_WRITE_CACHE;
const blk_features_t RUST_CONST_HELPER_BLK_FEAT_ZONED = BLK_FEAT_ZONED;

const blk_status_t RUST_CONST_HELPER_BLK_STS_NOTSUPP = BLK_STS_NOTSUPP;
const blk_status_t RUST_CONST_HELPER_BLK_STS_TIMEOUT = BLK_STS_TIMEOUT;
const blk_status_t RUST_CONST_HELPER_BLK_STS_RESOURCE = BLK_STS_RESOURCE;
const blk_status_t RUST_CONST_HELPER_BLK_STS_IOERR = BLK_STS_IOERR;
const blk_status_t RUST_CONST_HELPER_BLK_STS_DEV_RESOURCE = BLK_STS_DEV_RESOURCE;
const blk_status_t RUST_CONST_HELPER_BLK_STS_ZONE_OPEN_RESOURCE =
	BLK_STS_ZONE_OPEN_RESOURCE;
const blk_status_t RUST_CONST_HELPER_BLK_STS_ZONE_ACTIVE_RESOURCE =
	BLK_STS_ZONE_ACTIVE_RESOURCE;

const blk_opf_t RUST_CONST_HELPER_REQ_NOUNMAP = REQ_NOUNMAP;

const req_flags_t RUST_CONST_HELPER_RQF_FLUSH_SEQ = RQF_FLUSH_SEQ;
const req_flags_t RUST_CONST_HELPER_RQF_IO_STAT = RQF_IO_STAT;
const req_flags_t RUST_CONST_HELPER_RQF_SCHED_TAGS = RQF_SCHED_TAGS;
const req_flags_t RUST_CONST_HELPER_RQF_STATS = RQF_STATS;
const req_flags_t RUST_CONST_HELPER_RQF_USE_SCHED = RQF_USE_SCHED;

const unsigned int RUST_CONST_HELPER_BLK_MAX_BLOCK_SIZE = BLK_MAX_BLOCK_SIZE;
