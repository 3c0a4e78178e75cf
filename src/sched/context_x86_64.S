/*
 * context.h for x86-64, System V calling convention. What lies at a stopped flow's stack pointer, upwards: MXCSR and
 * x87 control word, r15, r14, r13, r12, rbx, rbp, where to go on.
 *
 * The last step is a jump and not a return: the processor predicts returns by the calls it has seen, and here that is
 * always wrong, at twice the price of the whole switch. It needs no landing pad (notrack). The note says that
 * indirect branches may be tracked (IBT), and does not say that shadow stacks may be used: a switch would leave them
 * on another flow's, so the loader keeps them off.
 */
	.text

	.globl	lat_context_switch
	.hidden	lat_context_switch
	.type	lat_context_switch, @function
	.balign	32
lat_context_switch:
	.cfi_startproc
	endbr64
lat_context_switch_pushed:
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	(%rsi), %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	notrack jmp *%rcx
	.cfi_endproc
	.size	lat_context_switch, . - lat_context_switch

/*
 * A flow that parks has above its registers: parked, where to go on (go_on) and with what (arg), and the address to which
 * lat_context_park() returns. lat_context_end_park() puts returned in the place of parked.
 */
	.globl	lat_context_park
	.hidden	lat_context_park
	.type	lat_context_park, @function
	.balign	32
lat_context_park:
	.cfi_startproc
	endbr64
	pushq	%rcx
	.cfi_adjust_cfa_offset 8
	pushq	%rdx
	.cfi_adjust_cfa_offset 8
	leaq	parked(%rip), %rax
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	jmp	lat_context_switch_pushed
	.cfi_endproc
	.size	lat_context_park, . - lat_context_park

	.type	parked, @function
	.balign	16
parked:
	.cfi_startproc
	.cfi_adjust_cfa_offset 16
	endbr64
	popq	%rax
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	notrack jmp *%rax
	.cfi_endproc
	.size	parked, . - parked

	.globl	lat_context_returned
	.hidden	lat_context_returned
	.type	lat_context_returned, @function
	.balign	16
lat_context_returned:
	.cfi_startproc
	.cfi_adjust_cfa_offset 16
	endbr64
	addq	$16, %rsp
	.cfi_adjust_cfa_offset -16
	xorl	%eax, %eax
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	notrack jmp *%rcx
	.cfi_endproc
	.size	lat_context_returned, . - lat_context_returned

	.globl	lat_context_init
	.hidden	lat_context_init
	.type	lat_context_init, @function
	.balign	16
lat_context_init:
	.cfi_startproc
	endbr64
	leaq	(%rsi,%rdx), %rax
	andq	$-16, %rax
	subq	$72, %rax		/* start finds the stack as after a call */
	xorl	%edx, %edx
	stmxcsr	(%rax)
	movq	%rdx, 8(%rax)
	movq	%rdx, 16(%rax)
	movq	%rdx, 24(%rax)
	movq	%rcx, 32(%rax)		/* r12, for start */
	movq	%rdx, 40(%rax)
	movq	%rdx, 48(%rax)		/* rbp 0 and a return address of 0: backtraces end here */
	leaq	start(%rip), %rcx
	movq	%rcx, 56(%rax)
	movq	%rdx, 64(%rax)
	fnstcw	4(%rax)
	movq	%rax, (%rdi)
	ret
	.cfi_endproc
	.size	lat_context_init, . - lat_context_init

/* The second argument of the switch that came here first is the context. */
	.type	start, @function
	.balign	16
start:
	.cfi_startproc
	.cfi_undefined rip
	endbr64
	movq	%rsi, %rdi
	notrack jmp *%r12
	.cfi_endproc
	.size	start, . - start

	.section .note.gnu.property, "a"
	.balign	8
	.long	4, 16, 5		/* name bytes, descriptor bytes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 1, 0	/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT */

	.section .note.GNU-stack, "", @progbits
