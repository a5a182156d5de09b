// Fibers for x86-64 under Linux.
#include "fiber.h"

#include <sys/mman.h>

// The C calling convention says that a call keeps rbx, rbp, r12-r15 and rsp: all that a switch must save. They are
// pushed on the old stack and popped from the new one, which was left in the same way. The jump in place of `ret`
// is predicted better, since the processor expects a `ret` to go back to where it was called from.
asm(R"(
    .text
    .globl minivit_switch
    .type minivit_switch, @function
minivit_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmp *%rcx
    .size minivit_switch, .-minivit_switch
)");

namespace fiber {

static const long GUARD = 4096, STRIDE = GUARD + STACK_BYTES;
static char* memory;                                // STACKS times a guard page and a stack
static int free_stacks[STACKS], free_count;

static void make() {
    memory = (char*)mmap(nullptr, STACKS * STRIDE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (int stack = 0; stack < STACKS; ++stack) mprotect(memory + stack * STRIDE, GUARD, PROT_NONE);
    forget();
}

void forget() {
    for (free_count = 0; free_count < STACKS; ++free_count) free_stacks[free_count] = STACKS - 1 - free_count;
}

int take() {
    if (!memory) make();
    return free_stacks[--free_count];
}

void give_back(int stack) {                         // the one used last is taken first: it is still in the cache
    free_stacks[free_count++] = stack;
}

void* start(int stack, void (*entry)()) {
    // Stacks at equal distances would all lie in the same few sets of the cache: each starts some lines lower.
    char* top = memory + (stack + 1) * STRIDE - stack % 16 * 256;
    void** frame = (void**)top - 8;                 // six registers, where to jump, and a word that aligns the stack
    frame[6] = (void*)entry;
    return frame;
}

bool on_stack(int stack, const void* address) {
    const char* low = memory + stack * STRIDE + GUARD;
    return address >= low && address < low + STACK_BYTES;
}

bool on_any_stack(const void* address) {
    return memory && address >= memory && address < memory + STACKS * STRIDE;
}

bool in_guard(const void* address) {
    return on_any_stack(address) && ((const char*)address - memory) % STRIDE < GUARD;
}

}
