// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program bound to an interface that asks the driver for the hash of each packet with
 * bpf_xdp_metadata_rx_hash(). Of the loaders here none can bind a program to an interface,
 * so this one consists of instructions. It looks at UDP over IPv4 to port 9, and asks while the
 * packet begins behind its Ethernet header, which should make no difference.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"

#define KFUNC		"bpf_xdp_metadata_rx_hash"
#define DEV_BOUND	0x40		/* BPF_F_XDP_DEV_BOUND_ONLY, of Linux 6.3 */

/* The value of the map: what became of the packets. */
struct result {
	__u64 packets;
	__u64 hashed;
	__u64 nodata;		/* -ENODATA */
	__u64 failed;		/* another error */
	__u32 hash;		/* of the last one that has one */
	__u32 type;
};

#define INSN(c, d, s, o, i)	((struct bpf_insn) { .code = (c), .dst_reg = (d), \
						     .src_reg = (s), .off = (o), .imm = (i) })
#define LOAD(size, d, s, o)	INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s)	INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define ZERO(d, o)		INSN(BPF_ST | BPF_MEM | BPF_W, d, 0, o, 0)
#define COPY(d, s)		INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)		INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, i)		INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define INC(d, o)		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, d, BPF_REG_1, o, BPF_ADD)
#define IF_NOT(d, i, o)		INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define IF(d, i, o)		INSN(BPF_JMP32 | BPF_JEQ | BPF_K, d, 0, o, i)
#define IF_ABOVE(d, s, o)	INSN(BPF_JMP | BPF_JGT | BPF_X, d, s, o, 0)
#define GOTO(o)			INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define CALL(id)		INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, id)
#define HELPER(id)		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define EXIT			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define AT(field)	offsetof(struct result, field)

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* Bytes that follow a type of BTF, by its kind. */
static size_t size_behind(__u32 info)
{
	__u32 n = BTF_INFO_VLEN(info);

	switch (BTF_INFO_KIND(info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(__u32);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	default:
		return 0;
	}
}

/* Return: the number of a function of the kernel, 0 if there is none of the name. */
static int find_function(const char *btf, const char *name)
{
	const struct btf_header *h = (void *)btf;
	const char *strings = btf + h->hdr_len + h->str_off;
	const char *at = btf + h->hdr_len + h->type_off, *end = at + h->type_len;
	const struct btf_type *t;
	int id;

	for (id = 1; at < end; id++) {
		t = (void *)at;
		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    !strcmp(strings + t->name_off, name))
			return id;
		at += sizeof(*t) + size_behind(t->info);
	}
	return 0;
}

static int kernel_function(const char *name)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY), id = 0;
	ssize_t n, got = 0;
	struct stat st;
	char *btf;

	if (fd < 0 || fstat(fd, &st))
		return 0;
	btf = malloc(st.st_size);
	while (btf && got < st.st_size && (n = read(fd, btf + got, st.st_size - got)) > 0)
		got += n;
	if (btf && got == st.st_size)
		id = find_function(btf, name);
	free(btf);
	close(fd);
	return id;
}

static int make_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4,
		.value_size = sizeof(struct result), .max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* Return: a program for @ifindex that counts in @map, or -1. */
static int load(int map, int function, __u32 ifindex)
{
	const struct bpf_insn insns[] = {
		COPY(6, 1),
		LOAD(BPF_W, 2, 1, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, 3, 1, offsetof(struct xdp_md, data_end)),
		COPY(4, 2),
		ADD(4, 38),
		IF_ABOVE(4, 3, 37),
		LOAD(BPF_H, 4, 2, 12),
		IF_NOT(4, htons(0x0800), 35),
		LOAD(BPF_B, 4, 2, 23),
		IF_NOT(4, IPPROTO_UDP, 33),
		LOAD(BPF_H, 4, 2, 36),
		IF_NOT(4, htons(9), 31),

		INSN(BPF_LD | BPF_IMM | BPF_DW, 7, BPF_PSEUDO_MAP_VALUE, 0, map),
		INSN(0, 0, 0, 0, 0),
		SET(1, 1),
		INC(7, AT(packets)),
		ZERO(10, -4),
		ZERO(10, -8),
		COPY(1, 6),
		SET(2, ETH_HLEN),
		HELPER(BPF_FUNC_xdp_adjust_head),
		COPY(1, 6),
		COPY(2, 10),
		ADD(2, -4),
		COPY(3, 10),
		ADD(3, -8),
		CALL(function),
		COPY(8, 0),
		COPY(1, 6),
		SET(2, -ETH_HLEN),
		HELPER(BPF_FUNC_xdp_adjust_head),
		SET(1, 1),
		IF(8, 0, 5),
		IF(8, -ENODATA, 2),
		INC(7, AT(failed)),
		GOTO(7),
		INC(7, AT(nodata)),
		GOTO(5),
		INC(7, AT(hashed)),
		LOAD(BPF_W, 1, 10, -4),
		STORE(BPF_W, 7, AT(hash), 1),
		LOAD(BPF_W, 1, 10, -8),
		STORE(BPF_W, 7, AT(type), 1),
		SET(0, XDP_PASS),
		EXIT,
	};
	static char log[16384];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)insns,
		.insn_cnt = ARRAY_SIZE(insns), .license = (uintptr_t)"GPL",
		.prog_ifindex = ifindex, .prog_flags = DEV_BOUND,
		.log_level = 1, .log_buf = (uintptr_t)log, .log_size = sizeof(log),
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fprintf(stderr, "%s", log);
	return fd;
}

static int attach(int prog, __u32 ifindex)
{
	union bpf_attr attr = {
		.link_create.prog_fd = prog,
		.link_create.target_ifindex = ifindex,
		.link_create.attach_type = BPF_XDP,
		.link_create.flags = XDP_FLAGS_DRV_MODE,
	};

	return bpf(BPF_LINK_CREATE, &attr);
}

static int tell(int map)
{
	struct result r = {};
	__u32 key = 0;
	union bpf_attr attr = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&r,
	};

	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		return 1;
	printf("{\"packets\": %llu, \"hashed\": %llu, \"nodata\": %llu, ",
	       r.packets, r.hashed, r.nodata);
	printf("\"failed\": %llu, \"hash\": %u, \"type\": %u}\n", r.failed, r.hash, r.type);
	return 0;
}

/**
 * ask_for_hashes() - attach the program, until SIGTERM, and tell what it saw
 * @dev: interface
 *
 * Return: for exit(); 4 if the kernel has no such function.
 */
int ask_for_hashes(const char *dev)
{
	int map = make_map(), function = kernel_function(KFUNC), prog, link;
	__u32 ifindex = if_nametoindex(dev);
	struct pollfd p = { .events = POLLIN };
	sigset_t term;

	if (!function) {
		fprintf(stderr, "peer: the kernel has no " KFUNC "\n");
		return 4;
	}
	prog = load(map, function, ifindex);
	link = prog < 0 ? -1 : attach(prog, ifindex);
	if (link < 0) {
		fprintf(stderr, "peer: a program on %s: %s\n", dev, strerror(errno));
		return 1;
	}
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	p.fd = signalfd(-1, &term, 0);
	puts("ready");
	fflush(stdout);
	poll(&p, 1, -1);
	return tell(map);
}
