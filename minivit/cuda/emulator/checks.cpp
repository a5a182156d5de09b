// memcheck and initcheck; racecheck and the counts per line are called from here.
//
// g++ -fsanitize=thread puts a call before every load and store: __tsan_read4(address) and its like. The library that
// usually receives them is not linked; the functions at the end of this file receive them.
#include "checks.h"

#include "block.h"
#include "fiber.h"
#include "findings.h"
#include "memory.h"
#include "order.h"
#include "profile.h"
#include "races.h"
#include "signals.h"

#include <stdint.h>

namespace checks {

bool on;
Module module;
const void* last_pc;
long dynamic_used;

static void report(findings::Kind kind, const void* pc, int array, long offset, int bytes, bool write) {
    findings::Finding finding = findings::make(kind);
    finding.pc = pc, finding.array = array, finding.offset = offset, finding.bytes = bytes, finding.write = write;
    findings::add(finding);
}

// Beyond all memory that a launch has: the access itself must not happen, it would meet Python's memory.
static void stop(const void* pc, long address, int bytes, bool write) {
    report(findings::NO_ARRAY, pc, findings::NONE, address, bytes, write);
    block::leave(block::STOPPED);
}

static void check_global(const char* address, int bytes, bool write, bool atomic, const void* pc) {
    static const memory::Region* last;
    const memory::Region* region = last;
    if (region < memory::regions || region >= memory::regions + memory::count || !region->holds(address, bytes)) {
        region = memory::nearest(address);
        if (!region) return stop(pc, (long)address, bytes, write);
        if (!region->holds(address, bytes))
            return report(findings::OUT_OF_BOUNDS, pc, region->parameter, address - region->device, bytes, write);
        last = region;
    }
    long offset = address - region->device;
    if (write && region->constant) report(findings::CONST_WRITTEN, pc, region->parameter, offset, bytes, write);
    races::global(address, bytes, write, atomic, pc, region->parameter, offset);
    profile::global(pc, address, bytes);
}

static bool in_a_variable(long offset, int bytes) {
    static long last;                                   // most accesses go to the same variable as the one before
    for (long tried = 0; tried < module.variable_count; ++tried) {
        if (last >= module.variable_count) last = 0;
        const long* range = module.variables + 2 * last;
        if (offset >= range[0] && offset + bytes <= range[1]) return true;
        ++last;
    }
    return false;
}

static void check_shared(const char* address, int bytes, bool write, bool atomic, const void* pc) {
    long offset = address - module.shared, into_dynamic = offset - module.dynamic_offset;
    if (into_dynamic >= 0 && into_dynamic < module.dynamic_bytes && into_dynamic + bytes > dynamic_used)
        return report(findings::BEYOND_SHARED, pc, findings::SHARED, offset, bytes, write);
    if (module.variable_count && !in_a_variable(offset, bytes))
        return report(findings::OUT_OF_BOUNDS, pc, findings::SHARED, offset, bytes, write);
    if (races::shared(offset, bytes, write, atomic, pc))
        report(findings::UNINITIALISED, pc, findings::SHARED, offset, bytes, write);
    profile::shared(pc, address, bytes);
}

static bool in_global(const char* address) { return address >= memory::low && address < memory::high; }

static bool in_shared(const char* address) {
    return address >= module.shared && address < module.shared + module.shared_bytes;
}

enum { WRITE = 1, ATOMIC = 2, ALIGNED = 4 };             // the last: its address must be a multiple of its width

static void check(const void* at, int bytes, int how, const void* pc) {
    if (!on) return;
    bool write = how & WRITE, atomic = how & ATOMIC;
    signals::Hold hold;
    const char* address = (const char*)at;
    last_pc = pc;
    races::settle();
    if (fiber::on_stack(block::threads[block::current].stack, address)) return;
    if (how & ALIGNED && (uintptr_t)address % bytes) {
        const memory::Region* region = in_global(address) ? memory::nearest(address) : nullptr;
        if (in_shared(address))
            report(findings::MISALIGNED, pc, findings::SHARED, address - module.shared, bytes, write);
        else if (region)
            report(findings::MISALIGNED, pc, region->parameter, address - region->device, bytes, write);
    }
    if (in_global(address)) check_global(address, bytes, write, atomic, pc);
    else if (in_shared(address)) check_shared(address, bytes, write, atomic, pc);
    else if (address < module.low || address >= module.high) stop(pc, (long)address, bytes, write);
}

// Many bytes at once, such as a struct: one word after the other.
static void check_range(const void* at, unsigned long bytes, int how, const void* pc) {
    for (unsigned long done = 0; done < bytes; done += 4) {
        check((const char*)at + done, bytes - done < 4 ? bytes - done : 4, how, pc);
        races::settle_as_changed();                     // it is written after all of them
    }
}

void begin_launch(long blocks) {
    order::begin_launch(blocks);
    races::begin_launch(module.shared_bytes);
    profile::begin_launch(module.low, module.high);
}

void begin_block() { order::begin_block(); }

void end_block() {
    races::settle();
    profile::flush();
}

void block_met() {
    signals::Hold hold;
    profile::flush();
}

void warp_met(int warp, unsigned lanes) {
    races::settle();
    order::warp_met(warp, lanes);
}

}

using checks::check, checks::check_range, checks::WRITE, checks::ATOMIC, checks::ALIGNED;

#define CALLER __builtin_return_address(0)

void minivit_threadfence(bool device) {
    if (checks::on) order::fence(device);
}

void minivit_atomic(const void* address, int bytes) {
    check(address, bytes, WRITE | ATOMIC | ALIGNED, CALLER);
    if (checks::on) order::synchronise();
}

void minivit_range(const void* address, unsigned long bytes, bool write) {
    check_range(address, bytes, write ? WRITE : 0, CALLER);
}

// `unaligned`: of a type that may lie anywhere, such as a struct of two floats.
#define HOOKS(bytes)                                                                                        \
    void __tsan_read##bytes(void* address) { check(address, bytes, ALIGNED, CALLER); }                      \
    void __tsan_write##bytes(void* address) { check(address, bytes, WRITE | ALIGNED, CALLER); }
#define UNALIGNED_HOOKS(bytes)                                                                              \
    HOOKS(bytes)                                                                                            \
    void __tsan_unaligned_read##bytes(void* address) { check(address, bytes, 0, CALLER); }                  \
    void __tsan_unaligned_write##bytes(void* address) { check(address, bytes, WRITE, CALLER); }

extern "C" {
    HOOKS(1) UNALIGNED_HOOKS(2) UNALIGNED_HOOKS(4) UNALIGNED_HOOKS(8) UNALIGNED_HOOKS(16)

    void __tsan_read_range(void* address, unsigned long bytes) { check_range(address, bytes, 0, CALLER); }
    void __tsan_write_range(void* address, unsigned long bytes) { check_range(address, bytes, WRITE, CALLER); }
    void __tsan_init() {}
    void __tsan_func_entry(void*) {}
    void __tsan_func_exit() {}
}
