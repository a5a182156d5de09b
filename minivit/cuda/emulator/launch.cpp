// What Python calls: a launch, from its arguments to its findings.
#include "block.h"
#include "checks.h"
#include "fiber.h"
#include "findings.h"
#include "memory.h"
#include "profile.h"
#include "signals.h"

#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// ---- shared memory ---------------------------------------------------------------------------------------------

struct Lookup { const char* code; const char* marker; checks::Module* found; };

static int look_at_module(dl_phdr_info* info, size_t, void* data) {
    Lookup& lookup = *(Lookup*)data;
    checks::Module module = {};
    bool here = false;
    module.load_address = (char*)info->dlpi_addr, module.low = (char*)-1l;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        char *from = module.load_address + part.p_vaddr, *to = from + part.p_memsz;
        if (part.p_type == PT_LOAD) {
            here |= lookup.code >= from && lookup.code < to;
            if (from < module.low) module.low = from;
            if (to > module.high) module.high = to;
        }
        if (part.p_type == PT_TLS) {
            module.shared = (char*)info->dlpi_tls_data;
            module.shared_bytes = part.p_memsz;
        }
    }
    if (here) *lookup.found = module;
    return here;
}

// Where a loaded module lies. Its shared memory: as a distance from `marker`, which is the same in every thread.
extern "C" int minivit_find_module(const char* code, const char* marker, const char* dynamic, checks::Module* found) {
    Lookup lookup = {code, marker, found};
    if (!dl_iterate_phdr(look_at_module, &lookup) || !found->shared) return 0;
    found->dynamic_offset = dynamic ? dynamic - found->shared : found->shared_bytes;
    found->shared = (char*)(found->shared - marker);
    return 1;
}

// A GPU does not clear shared memory: what a kernel reads before it wrote is NaN here.
static void poison_shared() {
    const checks::Module& it = checks::module;
    char *from = it.shared + checks::SHARED_GUARD, *to = it.shared + it.shared_bytes - checks::SHARED_GUARD;
    if (!it.dynamic_bytes) {
        memset(from, 0xff, to - from);
        return;
    }
    char *dynamic = it.shared + it.dynamic_offset, *after = dynamic + it.dynamic_bytes;
    memset(from, 0xff, dynamic - from);
    memset(dynamic, 0xff, checks::dynamic_used);
    memset(after, 0xff, to - after);
}

// ---- a launch --------------------------------------------------------------------------------------------------

struct Launch {
    void (*kernel)(void**);
    const checks::Module* module;
    const char* marker;
    memory::Argument* arguments;
    int argument_count, checked;
    unsigned grid[3], block[3];
    long shared_bytes;
    int order;
    unsigned seed;
    double seconds;
};

enum Result { FINISHED, PAUSED, ENDED, NO_MEMORY };

static Launch launch;
static void* argument_pointers[memory::MOST];
static long block_number, block_count;
static bool in_block;

static char printed[1 << 20];
static long printed_bytes;

static void begin_block() {
    long x = launch.grid[0], y = launch.grid[1];
    minivit_blockIdx.x = block_number % x, minivit_blockIdx.y = block_number / x % y;
    minivit_blockIdx.z = block_number / x / y;
    poison_shared();
    block::begin(block_number, launch.kernel, argument_pointers);
    if (checks::on) checks::begin_block();
    in_block = true;
}

static void report_stuck() {                            // one finding for every line at which threads wait
    for (int thread = 0; thread < block::size; ++thread) {
        const block::Thread& it = block::threads[thread];
        if (it.wait == block::NOTHING) continue;
        findings::Finding finding = findings::make(findings::STUCK);
        finding.thread = thread, finding.line = it.line, finding.lane = it.wait, finding.mask = it.mask;
        findings::add(finding);
    }
}

static Result run_blocks() {
    while (block_number < block_count) {
        if (signals::asked_to_stop()) {
            findings::add(findings::make(findings::TOO_LONG));
            return ENDED;
        }
        if (signals::asked_to_pause()) return PAUSED;
        if (!in_block) begin_block();
        block::State state = block::run();
        if (state == block::INTERRUPTED) return PAUSED;
        if (state == block::STUCK_FOREVER) report_stuck();
        if (state != block::DONE) return ENDED;
        if (checks::on) checks::end_block();
        in_block = false;
        ++block_number;
    }
    return FINISHED;
}

// ---- what Python calls -----------------------------------------------------------------------------------------

static Result go_on() {
    signals::attend();
    Result result = run_blocks();
    signals::leave_alone();
    if (result == PAUSED) return result;
    signals::stop();
    if (!findings::count) memory::check_guards();
    memory::copy_back();
    return result;
}

extern "C" int minivit_launch(const Launch* it) {
    launch = *it;
    findings::clear();
    printed_bytes = 0;
    if (!memory::place(launch.arguments, launch.argument_count, launch.checked)) return NO_MEMORY;
    for (int i = 0; i < launch.argument_count; ++i) argument_pointers[i] = &launch.arguments[i].bits;
    minivit_gridDim = dim3(launch.grid[0], launch.grid[1], launch.grid[2]);
    minivit_blockDim = dim3(launch.block[0], launch.block[1], launch.block[2]);
    block_number = 0, in_block = false;
    block_count = (long)launch.grid[0] * launch.grid[1] * launch.grid[2];
    checks::on = launch.checked;
    checks::last_pc = nullptr;
    checks::module = *launch.module;
    checks::module.shared = (char*)((long)launch.module->shared + (long)launch.marker);
    checks::dynamic_used = launch.shared_bytes;
    block::set_shape(minivit_blockDim, (block::Order)launch.order, launch.seed);
    if (checks::on) checks::begin_launch(block_count);
    signals::start(launch.seconds);
    return go_on();
}

extern "C" int minivit_resume() { return go_on(); }

extern "C" void minivit_abandon() { signals::stop(); }           // a paused launch: Python does not want the rest

extern "C" int minivit_findings(const findings::Finding** list) {
    *list = findings::list;
    return findings::count;
}

extern "C" int minivit_counts(profile::Count* into, int most) { return profile::counts(into, most); }

extern "C" long minivit_printed(const char** text) {
    *text = printed;
    return printed_bytes;
}

// ---- what kernels call -----------------------------------------------------------------------------------------

int minivit_printf(const char* format, ...) {           // kept until the kernel is done, as in CUDA; the rest is lost
    signals::Hold hold;
    va_list values;
    va_start(values, format);
    long left = sizeof printed - printed_bytes;
    int n = vsnprintf(printed + printed_bytes, left, format, values);
    va_end(values);
    if (n > 0) printed_bytes += n < left ? n : left - 1;
    return n;
}

static void end_by(findings::Kind kind, const char* text, int line) {
    findings::Finding finding = findings::make(kind);
    finding.text = text, finding.line = line;
    findings::add(finding);
    block::leave(block::STOPPED);
}

void minivit_assert_failed(const char* condition, int line) { end_by(findings::ASSERTION, condition, line); }

void minivit_trap(int line) { end_by(findings::TRAP, nullptr, line); }
