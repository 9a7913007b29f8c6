/* Capabilities of the calling process, as sets of bits. */
#pragma once

#include "init.h"

/* Drops all but these from the bounding set. Returns 0 or -errno, like the next. */
int caps_limit_bounding(uint64_t keep);
/* Drops all but `keep` from the permitted and effective sets, and all but `inherit` from the inheritable set. */
int caps_limit(uint64_t keep, uint64_t inherit);
int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
