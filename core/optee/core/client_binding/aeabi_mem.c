// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copyright (c) 2026, the client binding for OP-TEE authors
 *
 * Memory helpers of the Run-time ABI for the Arm Architecture. GCC calls
 * memcpy() and the like by name; LLVM, which compiles the library, calls these
 * instead. They are weak, for the day that the core has its own.
 */

#include <compiler.h>
#include <stddef.h>
#include <string.h>

/* Each with its two siblings, which may rely on aligned pointers */
#define AEABI_MEM(_name, ...)						\
	void __weak							\
	__aeabi_ ## _name(__VA_ARGS__);					\
	void __weak __alias("__aeabi_" #_name)				\
	__aeabi_ ## _name ## 4(__VA_ARGS__);				\
	void __weak __alias("__aeabi_" #_name)				\
	__aeabi_ ## _name ## 8(__VA_ARGS__);				\
	void __aeabi_ ## _name(__VA_ARGS__)

AEABI_MEM(memcpy, void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
}

AEABI_MEM(memmove, void *dst, const void *src, size_t n)
{
	memmove(dst, src, n);
}

/* The last two are the other way round than those of memset() */
AEABI_MEM(memset, void *dst, size_t n, int c)
{
	memset(dst, c, n);
}

AEABI_MEM(memclr, void *dst, size_t n)
{
	memset(dst, 0, n);
}
