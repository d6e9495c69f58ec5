//  AllocationCount.h — how often this thread asks the heap for memory.
//
//  The test program's own malloc, calloc, realloc and aligned_alloc are found before glibc's, count, and go on to those. Built with
//  the address sanitizer, which brings its own, nothing is counted.

#pragma once

/// From now on, this thread's calls are counted, from zero.
void hawser_allocations_begin(void);

/// How many there were; -1 when nobody could count.
long hawser_allocations_end(void);
