// libaom jumps out of its depths when a stream is broken. WebAssembly as compiled here cannot jump: it traps instead.
#pragma once
typedef int jmp_buf[1];
#define setjmp(place) 0
#define longjmp(place, value) __builtin_trap()
