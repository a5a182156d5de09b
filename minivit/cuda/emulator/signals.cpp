// A crash ends the kernel and not Python. The timer ends a kernel that does not end. Ctrl-C pauses one, so that Python
// can say what shall become of it.
//
// Each handler leaves the fiber that it interrupted, for the caller of block::run(). A fiber left by Ctrl-C can go on
// later: to it, it looks as if the handler had returned.
#include "signals.h"

#include "block.h"
#include "checks.h"
#include "fiber.h"
#include "findings.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

namespace signals {

static const int CRASHES[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction old_crash[3], old_interrupt, old_timer;
static stack_t old_stack;
static char handler_stack[64 << 10];
static pthread_t launching_thread;
static timer_t timer;
static bool timer_made;
static volatile sig_atomic_t held, stop_waits, pause_waits;

static int timer_signal() { return SIGRTMAX - 3; }

static const char* pc_of(void* context) {               // one further, like the address to which a call returns
    return (const char*)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP] + 1;
}

static bool in_kernel(void* context) {                  // or did the signal meet another thread, or the launch itself?
    return pthread_equal(pthread_self(), launching_thread)
        && fiber::on_any_stack((const void*)((ucontext_t*)context)->uc_mcontext.gregs[REG_RSP]);
}

static void on_crash(int number, siginfo_t* info, void* context) {
    if (!in_kernel(context)) {
        for (int i = 0; i < 3; ++i)                     // it happens again, and whoever was here before hears of it
            if (CRASHES[i] == number) sigaction(number, &old_crash[i], nullptr);
        return;
    }
    findings::Finding finding = findings::make(number == SIGFPE ? findings::DIVISION
                                             : fiber::in_guard(info->si_addr) ? findings::STACK_OVERFLOW
                                             : findings::CRASH);
    finding.pc = pc_of(context);
    finding.offset = (long)info->si_addr;
    findings::add(finding);
    held = 0;
    block::leave(block::STOPPED);
}

static void end_for_time(const char* pc) {
    findings::Finding finding = findings::make(findings::TOO_LONG);
    if (pc >= checks::module.low && pc < checks::module.high) finding.pc = pc;
    else if (checks::on && checks::last_pc) finding.pc = checks::last_pc;
    else finding.line = block::threads[block::current].line;        // it is in the runtime: where it waited last
    findings::add(finding);
    block::leave(block::STOPPED);
}

static void on_timer(int, siginfo_t*, void* context) {
    if (in_kernel(context) && !held) end_for_time(pc_of(context));
    stop_waits = 1;
}

static void on_interrupt(int number, siginfo_t* info, void* context) {
    if (old_interrupt.sa_flags & SA_SIGINFO) {
        old_interrupt.sa_sigaction(number, info, context);          // Python notes it, and acts once it is back
    } else if (old_interrupt.sa_handler == SIG_DFL) {
        sigaction(SIGINT, &old_interrupt, nullptr);
        raise(SIGINT);
    } else if (old_interrupt.sa_handler != SIG_IGN) {
        old_interrupt.sa_handler(number);
    }
    if (in_kernel(context) && !held) block::leave(block::INTERRUPTED);
    else pause_waits = 1;
}

Hold::Hold() { held = held + 1; }

Hold::~Hold() {
    held = held - 1;
    if (held || !fiber::on_any_stack(this)) return;
    if (stop_waits) end_for_time(nullptr);
    if (asked_to_pause()) block::leave(block::INTERRUPTED);
}

bool asked_to_stop() { return stop_waits; }

bool asked_to_pause() {
    bool asked = pause_waits;
    pause_waits = 0;
    return asked;
}

static void handle(int number, void (*handler)(int, siginfo_t*, void*), int flags, struct sigaction* old) {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | flags;
    sigaction(number, &action, old);
}

void attend() {
    stack_t stack = {};
    stack.ss_sp = handler_stack, stack.ss_size = sizeof handler_stack;
    sigaltstack(&stack, &old_stack);                    // a fiber whose stack overflowed has none to run a handler on
    for (int i = 0; i < 3; ++i) handle(CRASHES[i], on_crash, SA_ONSTACK, &old_crash[i]);
    handle(SIGINT, on_interrupt, 0, &old_interrupt);
    handle(timer_signal(), on_timer, 0, &old_timer);
}

void leave_alone() {
    for (int i = 0; i < 3; ++i) sigaction(CRASHES[i], &old_crash[i], nullptr);
    sigaction(SIGINT, &old_interrupt, nullptr);
    sigaction(timer_signal(), &old_timer, nullptr);
    sigaltstack(&old_stack, nullptr);
}

void start(double seconds) {                            // of this thread's own time, not of a busy machine's
    launching_thread = pthread_self();
    held = stop_waits = pause_waits = 0;
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = timer_signal();
    event._sigev_un._tid = (int)syscall(SYS_gettid);
    timer_made = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
    itimerspec when = {};
    when.it_value.tv_sec = (long)seconds;
    when.it_value.tv_nsec = (long)((seconds - (double)(long)seconds) * 1e9);
    if (timer_made) timer_settime(timer, 0, &when, nullptr);
}

void stop() {
    if (timer_made) timer_delete(timer);
    timer_made = false;
}

}
