/* What a spin loop does between two looks. */
#ifndef LAT_BASE_CPU_H
#define LAT_BASE_CPU_H

static inline void lat_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
