/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of OP-TEE, for TEE_IOC_OBJECT_INVOKE
 *
 * An object is a session, or a part of shared memory. It has an id in the open
 * file that it was made in, from 1 to 0x7fffffff, which means nothing in
 * others. The operations of a session are the commands of its TA: @op of struct
 * tee_ioctl_object_invoke_arg is the command. Up to four parameters are the
 * TA's, of these types:
 *
 * VALUE:	@a and @b have 32 bits, @c is 0.
 * MEMREF:	as with TEE_IOC_INVOKE.
 * UBUF:	copied to the TA and back; no more than OPTEE_OBJECT_UBUF_MAX
 *		octets in all. When the TA has more to say than there is room
 *		for, the size is what it needs and nothing is copied back. No
 *		octets at NULL are a NULL memref.
 * OBJREF:	INPUT, an object with OPTEE_OBJREF_MEMORY, which the TA gets
 *		as a memref.
 * NONE:	nothing.
 *
 * TEE_OBJREF_NULL is the root object. Its operations are OPTEE_ROOT_* below.
 *
 * Before all these parameters there may be one more that says how it went: a
 * VALUE_INOUT with TEE_IOCTL_PARAM_ATTR_META. Its @a is what OPTEE_ROOT_CANCEL
 * takes to cancel a command, and becomes the origin of @ret: 2 if that is from
 * the driver, 3 from the TEE, 4 from the TA. @b and @c are 0.
 *
 * A session is closed, and commands of it are run and cancelled, for whom the
 * TEE takes for its client. Whoever has the file can release memory, and make
 * objects until there are too many. It's for who made a session an object not
 * to close it by its number: the number may come again.
 *
 * An errno says that nothing was decided. EINVAL: a wrong shape, an object that
 * isn't there or isn't of that kind. E2BIG: too much in UBUFs. ENOSPC: too many
 * objects. EPERM: the caller isn't what the login method asks for. EFAULT: what
 * should be written can't be, but may have been done; of a session that's
 * opened then, the file may have an object that the caller doesn't know.
 * ENOMEM, EINTR, EAGAIN, EBUSY, EIO: try again. All else is in @ret, with
 * whatever the parameters have.
 */
#ifndef _UAPI_LINUX_OPTEE_H
#define _UAPI_LINUX_OPTEE_H

/* What a reference is to: flags of an OBJREF, or 0 with INPUT */
#define OPTEE_OBJREF_SESSION	1
#define OPTEE_OBJREF_MEMORY	4

#define OPTEE_OBJECT_VERSION	1
#define OPTEE_OBJECT_UBUF_MAX	0x10000
#define OPTEE_OBJECT_MAX	256

/* VALUE_OUTPUT: OPTEE_OBJECT_VERSION, 0, OPTEE_OBJECT_UBUF_MAX */
#define OPTEE_ROOT_VERSION	0xffffff00
/*
 * UBUF_INPUT: the UUID of the TA, 16 octets. VALUE_INPUT: login method, group
 * ID if it takes one, 0. OBJREF_OUTPUT: the session, TEE_OBJREF_NULL if @ret
 * isn't 0. Then the TA's parameters.
 */
#define OPTEE_ROOT_OPEN		0xffffff01
/* OBJREF_INPUT. A session is closed, if the caller is its client */
#define OPTEE_ROOT_RELEASE	0xffffff02
/* MEMREF_INPUT or MEMREF_INOUT: as what a TA gets it. OBJREF_OUTPUT */
#define OPTEE_ROOT_MEMORY	0xffffff06
/* OBJREF_INPUT: the session. VALUE_INPUT: what identifies the operation, 0, 0 */
#define OPTEE_ROOT_CANCEL	0xffffff08

#endif /*_UAPI_LINUX_OPTEE_H*/
