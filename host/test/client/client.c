// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client in C, linked in more ways than one: logs in as an application and says who it is to a probe.
 *
 * client TA [WHAT]: TA is 32 hexadecimal digits. WHAT comes first: a library, for one that is linked at run time, else a character
 * set. Prints login and client UUID as the six numbers in which the probe answers, or "errno" and a number.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <linux/tee.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define WHO_AM_I 0
#define VALUES 3

struct invoke {
	struct tee_ioctl_invoke_arg arg;
	struct tee_ioctl_param params[VALUES];
};

static int failed(const char *what)
{
	printf("errno %d\n", errno);
	perror(what);
	return 1;
}

int main(int argc, char *argv[])
{
	struct tee_ioctl_open_session_arg session = { .clnt_login = TEE_IOCTL_LOGIN_APPLICATION };
	struct invoke invoke = { .arg = { .func = WHO_AM_I, .num_params = VALUES } };
	struct tee_ioctl_buf_data data = { (uintptr_t)&session, sizeof(session) };
	int fd;

	for (int i = 0; argc > 1 && i < TEE_IOCTL_UUID_LEN; i++) {
		unsigned int octet;

		if (sscanf(argv[1] + 2 * i, "%2x", &octet) != 1)
			return 2;
		session.uuid[i] = octet;
	}
#ifdef LINKED
	if (argc > 2 && !dlopen(argv[2], RTLD_NOW)) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
#else
	/* Nobody else's is known everywhere, and none has to be. */
	if (argc > 2)
		iconv_open(argv[2], "UTF-8");
#endif
	fd = open("/dev/tee0", O_RDWR);
	if (fd < 0)
		return failed("/dev/tee0");
	if (ioctl(fd, TEE_IOC_OPEN_SESSION, &data))
		return failed("open");
	if (session.ret) {
		fprintf(stderr, "0x%x\n", session.ret);
		return 1;
	}
	invoke.arg.session = session.session;
	for (int i = 0; i < VALUES; i++)
		invoke.params[i].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
	data = (struct tee_ioctl_buf_data){ (uintptr_t)&invoke, sizeof(invoke) };
	if (ioctl(fd, TEE_IOC_INVOKE, &data))
		return failed("invoke");
	if (invoke.arg.ret) {
		fprintf(stderr, "0x%x\n", invoke.arg.ret);
		return 1;
	}
	for (int i = 0; i < VALUES; i++)
		printf("%u %u ", (unsigned int)invoke.params[i].a, (unsigned int)invoke.params[i].b);
	printf("\n");
	return 0;
}
