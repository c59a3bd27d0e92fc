/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of OP-TEE, for TEE_IOC_OBJECT_INVOKE
 *
 * An object is a session, or a part of shared memory, or the caller's own. The
 * former have an id in the open file that they were made in, from 1 to
 * 0x7fffffff, which means nothing in others. The operations of a session are
 * the commands of its TA: @op of struct tee_ioctl_object_invoke_arg is the
 * command. Up to four parameters are the TA's, of these types:
 *
 * VALUE:	@a and @b have 32 bits, @c is 0.
 * MEMREF:	as with TEE_IOC_INVOKE.
 * UBUF:	copied to the TA and back; no more than OPTEE_OBJECT_UBUF_MAX
 *		octets in all. When the TA has more to say than there is room
 *		for, the size is what it needs and nothing is copied back. No
 *		octets at NULL are a NULL memref.
 * OBJREF:	INPUT, an object with OPTEE_OBJREF_MEMORY, which the TA gets
 *		as a memref. With OPTEE_OBJREF_SESSION, or an object of the
 *		caller's own with OPTEE_OBJREF_CALLBACK, see below: the TA gets
 *		a value, with a number in @a, and secure world knows what it
 *		is. Only with a command, and EOPNOTSUPP unless
 *		OPTEE_ROOT_VERSION says that it can be. OUTPUT, also only with
 *		a command: the TA puts the number of a grant there, its lower
 *		half in @a, see client_binding.lend. The caller gets a session
 *		that is for it, or TEE_OBJREF_NULL if the number is 0. If one
 *		can't be opened there is none, and @ret is what came of that,
 *		though the command was run. EOPNOTSUPP: nothing is lent here.
 *		EPERM: the file is limited.
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
 * An object with OPTEE_OBJREF_CALLBACK has an @id of 32 bits that the caller
 * chooses. The TA can call it as long as the command runs. The call comes out of
 * TEE_IOC_SUPPL_RECV of the same open file, and is answered by
 * TEE_IOC_SUPPL_SEND, for who is the client of the session in which the command
 * was given, and nobody else. Both have a VALUE_INOUT with
 * TEE_IOCTL_PARAM_ATTR_META for the first parameter:
 *
 * RECV:	@a is the address of a buffer and @b its size, @c the number that
 *		OPTEE_ROOT_STOP has said. The second parameter is NONE. It
 *		comes back with @func, the operation; @a the @id of the object,
 *		@b the number of the call, @c how many octets are in the
 *		buffer. The second parameter is a VALUE_INPUT: @a how
 *		many octets the answer may have, @b for how many milliseconds the
 *		TA waits. EMSGSIZE: the buffer is too small, and the call stays
 *		there. ESHUTDOWN: there's no call, and @c is another number
 *		now. EOPNOTSUPP: secure world calls nobody. A call has
 *		OPTEE_CALLBACK_MAX octets at the most. One that was received
 *		and isn't answered waits until its time is over.
 * SEND:	@ret is the result. @a is the number of the call, @b the address
 *		of the answer and @c its size. If there's more than it may have,
 *		the TA is told how much that is. ENOENT: nobody waits any more,
 *		or the caller isn't the client. As PUBLIC everybody is.
 *		E2BIG: more than OPTEE_CALLBACK_MAX octets.
 *
 * Until the TA goes on its session is busy, for other commands and for its end:
 * EBUSY, or @ret is that, for who would wait for itself, perhaps. A request to
 * cancel the command doesn't end the call. There are fewer calls at a time than
 * secure world has threads; over FF-A, where that isn't known, one.
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
#define OPTEE_OBJREF_CALLBACK	2
#define OPTEE_OBJREF_MEMORY	4

#define OPTEE_OBJECT_VERSION	1
#define OPTEE_OBJECT_UBUF_MAX	0x10000
#define OPTEE_OBJECT_MAX	256
#define OPTEE_CALLBACK_MAX	0x1000

/* A flag: TAs can be given sessions and objects of the caller's */
#define OPTEE_OBJECT_GIVEN	1

/* VALUE_OUTPUT: OPTEE_OBJECT_VERSION, flags, OPTEE_OBJECT_UBUF_MAX */
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
/*
 * VALUE_INOUT: @a is how many times to tell those who wait for calls that it's
 * over, 0 or 1, and becomes how many times that was: what they give RECV. Who
 * has the file can say so, it's for them to know who was meant.
 */
#define OPTEE_ROOT_STOP		0xffffff09

#endif /*_UAPI_LINUX_OPTEE_H*/
