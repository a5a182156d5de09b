// racecheck: the memory of who accessed what.
//
// A cell for every 4 bytes remembers the last write, two reads and two atomics: who, when, where in the code. A new
// access of another thread races with a remembered one, unless both are atomic or something orders them (order.cpp). So
// a race is found in whichever order the threads happened to run.
#include "races.h"

#include "block.h"
#include "checks.h"
#include "findings.h"
#include "memory.h"
#include "order.h"
#include "zeroed.h"

#include <stdint.h>
#include <string.h>

namespace races {

struct Access : order::When {
    uint8_t bytes;                      // which of the cell's four, a bit for each
    bool atomic;
    const void* pc;
};

struct Cell { Access write, atomic, other_atomic, read, other_read; };

// Of shared memory: which bytes were written, in which block.
struct Filled { uint32_t block; uint8_t bytes; };

static Cell *global_cells, *shared_cells;
static Filled* filled;
static long global_count, shared_count, filled_count;

// The last write, with the bytes it found, and the finding it made if it raced with another write.
static struct { findings::Finding* finding; const char* address; int bytes; char before[16]; } pending;

void begin_launch(long shared_bytes) {
    zeroed(global_cells, global_count, (memory::high - memory::low) / 4);
    zeroed(shared_cells, shared_count, shared_bytes / 4 + 1);
    zeroed(filled, filled_count, shared_bytes / 4 + 1);
    pending.finding = nullptr;
}

static bool conflict(const Access& before, const Access& now) {
    return before.block && before.bytes & now.bytes && !(before.atomic && now.atomic) && !order::happened_before(before);
}

static void report(findings::Kind kind, const Access& before, const Access& now, int array, long offset, int bytes) {
    findings::Finding finding = findings::make(kind);
    finding.pc = now.pc, finding.other_pc = before.pc;
    finding.other_thread = before.thread, finding.other_block = before.block - 1;
    finding.array = array, finding.offset = offset, finding.bytes = bytes;
    finding.same_value = kind == findings::WRITE_WRITE;
    findings::Finding* kept = findings::add(finding);
    if (kind == findings::WRITE_WRITE) pending.finding = kept;
}

void settle() {
    if (!pending.finding) return;
    if (memcmp(pending.address, pending.before, pending.bytes)) pending.finding->same_value = 0;
    pending.finding = nullptr;
}

void settle_as_changed() {
    if (pending.finding) pending.finding->same_value = 0;
    pending.finding = nullptr;
}

// Two accesses of a kind are kept. Best is one by another warp: only a barrier orders it.
static void remember(Access& one, Access& two, const Access& now) {
    auto of_my_warp = [](const Access& it) { return block::warp_of(it.thread) == block::warp_of(block::current); };
    auto recent = [](const Access& it) { return it.block == block::number + 1 && it.epoch == block::epoch; };
    if (one.block && one.thread != now.thread && !(recent(two) && !of_my_warp(two) && of_my_warp(one))) two = one;
    one = now;
}

static void check(Cell& cell, const Access& now, bool write, int array, long offset, int bytes) {
    const Access *writes[] = {&cell.write, &cell.atomic, &cell.other_atomic}, *reads[] = {&cell.read, &cell.other_read};
    const Access* racing = nullptr;
    findings::Kind kind = write ? findings::WRITE_WRITE : findings::WRITE_READ;
    for (const Access* it : writes)
        if (!racing && conflict(*it, now)) racing = it;
    for (const Access* it : reads)
        if (!racing && write && conflict(*it, now)) racing = it, kind = findings::READ_WRITE;
    if (racing) report(kind, *racing, now, array, offset, bytes);
    if (now.atomic) remember(cell.atomic, cell.other_atomic, now);
    else if (write) cell.write = now;
    else remember(cell.read, cell.other_read, now);
}

// Calls each(cell number, the bits of its bytes) for every cell that the bytes from `offset` on touch.
template <class Each> static void for_cells(long offset, int bytes, Each each) {
    for (long cell = offset / 4; cell * 4 < offset + bytes; ++cell) {
        long from = offset > cell * 4 ? offset - cell * 4 : 0;
        long to = offset + bytes < cell * 4 + 4 ? offset + bytes - cell * 4 : 4;
        each(cell, (uint8_t)((1 << to) - (1 << from)));
    }
}

static Access now(uint8_t bytes, bool atomic, const void* pc) { return {order::now(), bytes, atomic, pc}; }

static void before_write(const char* address, int bytes) {
    pending.address = address;
    pending.bytes = bytes <= 16 ? bytes : 16;
    memcpy(pending.before, address, pending.bytes);
}

void global(const char* address, int bytes, bool write, bool atomic, const void* pc, int array, long offset) {
    if (write) before_write(address, bytes);
    if (write && !atomic) order::wrote_global();
    for_cells(address - memory::low, bytes, [&](long cell, uint8_t bits) {
        check(global_cells[cell], now(bits, atomic, pc), write, array, offset, bytes);
    });
}

bool shared(long offset, int bytes, bool write, bool atomic, const void* pc) {
    bool uninitialised = false;
    if (write) before_write(checks::module.shared + offset, bytes);
    for_cells(offset, bytes, [&](long cell, uint8_t bits) {
        Filled& it = filled[cell];
        if (it.block != block::number + 1) {            // what an earlier block left is another block's memory
            it = {(uint32_t)block::number + 1, 0};
            shared_cells[cell] = {};
        }
        if (!write || atomic) uninitialised |= (it.bytes & bits) != bits;
        if (write) it.bytes |= bits;
        check(shared_cells[cell], now(bits, atomic, pc), write, findings::SHARED, offset, bytes);
    });
    return uninitialised;
}

}
