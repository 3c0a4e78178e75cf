/*
 * context.h for aarch64, AAPCS64. What lies at a stopped flow's stack pointer, upwards: x19 to x28, x29, x30 (where
 * to go on), d8 to d15, FPCR. The note says that branch targets may be checked (BTI); pointer authentication is not
 * used here.
 */
	.text

	.globl	lat_context_switch
	.hidden	lat_context_switch
	.type	lat_context_switch, %function
	.balign	32
lat_context_switch:
	.cfi_startproc
	hint	34			/* bti c */
	sub	sp, sp, #176
	.cfi_adjust_cfa_offset 176
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x10, sp
	str	x10, [x0]
	ldr	x10, [x1]
	mov	sp, x10
	ldr	x11, [sp, #160]
	cmp	x9, x11			/* writing FPCR waits for the pipeline to drain */
	b.eq	1f
	msr	fpcr, x11
1:
	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #176
	.cfi_adjust_cfa_offset -176
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size	lat_context_switch, . - lat_context_switch

	.globl	lat_context_init
	.hidden	lat_context_init
	.type	lat_context_init, %function
	.balign	16
lat_context_init:
	.cfi_startproc
	hint	34			/* bti c */
	add	x9, x1, x2
	and	x9, x9, #-16
	sub	x9, x9, #176
	stp	x3, xzr, [x9, #0]	/* x19, for start */
	stp	xzr, xzr, [x9, #16]
	stp	xzr, xzr, [x9, #32]
	stp	xzr, xzr, [x9, #48]
	stp	xzr, xzr, [x9, #64]
	adr	x10, start
	stp	xzr, x10, [x9, #80]	/* x29 0: backtraces end here */
	stp	xzr, xzr, [x9, #96]
	stp	xzr, xzr, [x9, #112]
	stp	xzr, xzr, [x9, #128]
	stp	xzr, xzr, [x9, #144]
	mrs	x10, fpcr
	str	x10, [x9, #160]
	str	x9, [x0]
	ret
	.cfi_endproc
	.size	lat_context_init, . - lat_context_init

/* The second argument of the switch that came here first is the context. */
	.type	start, %function
	.balign	16
start:
	.cfi_startproc
	.cfi_undefined x30
	hint	36			/* bti j */
	mov	x0, x1
	mov	x16, x19
	mov	x30, xzr
	br	x16			/* by x16 a function's own landing pad will do */
	.cfi_endproc
	.size	start, . - start

	.section .note.gnu.property, "a"
	.balign	8
	.long	4, 16, 5		/* name bytes, descriptor bytes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000000, 4, 1, 0	/* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */

	.section .note.GNU-stack, "", %progbits
