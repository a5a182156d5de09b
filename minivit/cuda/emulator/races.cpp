// racecheck by happens-before.
//
// A cell for every 4 bytes remembers the last write and two reads: who, when, where in the code. A new access of
// another thread races with a remembered one, unless one of these came between them:
//
// - a barrier of the block: the block's epoch has grown;
// - a __syncwarp() of both threads: each lane counts its own (`clock`) and knows how far it has seen every other lane
//   (`seen`, a vector clock: Mattern 1989). Shuffles and votes exchange values and order no memory;
// - both are atomic;
// - of different blocks: an atomic after a __threadfence() in the first block, and an atomic in the second one.
//
// So a race is found in whichever order the threads happened to run.
#include "races.h"

#include "block.h"
#include "checks.h"
#include "findings.h"
#include "memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

namespace races {

struct Access {
    uint32_t block;                     // its number + 1; 0: there was none
    uint32_t epoch, clock;
    uint16_t thread;
    uint8_t bytes;                      // which of the cell's four, a bit for each
    bool atomic;
    const void* pc;
};

struct Cell { Access write, read, other_read; };

// Of shared memory: which bytes were written, in which block.
struct Filled { uint32_t block; uint8_t bytes; };

static Cell *global_cells, *shared_cells;
static Filled* filled;
static long global_count, shared_count, filled_count;
static uint8_t* released;               // of every block: has it done an atomic after a __threadfence()?
static long released_count;
static bool acquired;                   // has the current block done an atomic?
static uint32_t clocks[block::MOST_THREADS], seen[block::MOST_THREADS][block::WARP];

// The last write, with the bytes it found, and the finding it made if it raced with another write.
static struct { findings::Finding* finding; const char* address; int bytes; char before[16]; } pending;

// Memory of `count` elements that are all 0 again.
template <class T> static void clear(T*& cells, long& capacity, long count) {
    if (cells) munmap(cells, capacity * sizeof(T));
    capacity = count + 1;
    cells = (T*)mmap(nullptr, capacity * sizeof(T), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

void begin_launch(long blocks, long shared_bytes) {
    clear(global_cells, global_count, (memory::high - memory::low) / 4);
    clear(shared_cells, shared_count, shared_bytes / 4 + 1);
    clear(filled, filled_count, shared_bytes / 4 + 1);
    clear(released, released_count, blocks);
    pending.finding = nullptr;
}

void begin_block() {
    acquired = false;
    memset(clocks, 0, sizeof clocks);
    for (auto& lanes : seen) memset(lanes, 0, sizeof lanes);
    for (uint32_t& clock : clocks) clock = 1;
}

void synchronise(bool fenced) {
    acquired = true;
    if (fenced) released[block::number] = 1;
}

void warp_met(int warp, unsigned lanes) {
    uint32_t known[block::WARP] = {};                   // what any of them has seen, all of them know now
    uint32_t (*of_warp)[block::WARP] = seen + warp * block::WARP;
    uint32_t* clock = clocks + warp * block::WARP;
    for (int lane = 0; lane < block::WARP; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        for (int other = 0; other < block::WARP; ++other)
            if (of_warp[lane][other] > known[other]) known[other] = of_warp[lane][other];
    }
    for (int lane = 0; lane < block::WARP; ++lane)
        if (lanes >> lane & 1) known[lane] = clock[lane]++;
    for (int lane = 0; lane < block::WARP; ++lane)
        if (lanes >> lane & 1) memcpy(of_warp[lane], known, sizeof known);
}

static bool ordered(const Access& before) {             // before the current thread's next access?
    if (before.block != block::number + 1) return released[before.block - 1] && acquired;
    if (before.thread == block::current || before.epoch != block::epoch) return true;
    if (before.thread / block::WARP != block::current / block::WARP) return false;
    return before.clock <= seen[block::current][before.thread % block::WARP];
}

static bool conflict(const Access& before, const Access& now) {
    return before.block && before.bytes & now.bytes && !(before.atomic && now.atomic) && !ordered(before);
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

static void remember_read(Cell& cell, const Access& now) {
    auto of_my_warp = [](const Access& it) { return it.thread / block::WARP == block::current / block::WARP; };
    auto recent = [](const Access& it) { return it.block == block::number + 1 && it.epoch == block::epoch; };
    const Access &one = cell.read, &two = cell.other_read;
    if (one.block && one.thread != now.thread && !(recent(two) && !of_my_warp(two) && of_my_warp(one)))
        cell.other_read = one;                          // best a reader of another warp: only a barrier orders it
    cell.read = now;
}

static void check(Cell& cell, const Access& now, bool write, int array, long offset, int bytes) {
    if (conflict(cell.write, now)) {
        report(write ? findings::WRITE_WRITE : findings::WRITE_READ, cell.write, now, array, offset, bytes);
    } else if (write) {
        if (conflict(cell.read, now)) report(findings::READ_WRITE, cell.read, now, array, offset, bytes);
        else if (conflict(cell.other_read, now))
            report(findings::READ_WRITE, cell.other_read, now, array, offset, bytes);
    }
    if (write) cell.write = now;
    else remember_read(cell, now);
}

// Calls each(cell number, the bits of its bytes) for every cell that the bytes from `offset` on touch.
template <class Each> static void for_cells(long offset, int bytes, Each each) {
    for (long cell = offset / 4; cell * 4 < offset + bytes; ++cell) {
        long from = offset > cell * 4 ? offset - cell * 4 : 0;
        long to = offset + bytes < cell * 4 + 4 ? offset + bytes - cell * 4 : 4;
        each(cell, (uint8_t)((1 << to) - (1 << from)));
    }
}

static Access now(uint8_t bytes, bool atomic, const void* pc) {
    int thread = block::current;
    return {(uint32_t)block::number + 1, block::epoch, clocks[thread], (uint16_t)thread, bytes, atomic, pc};
}

static void before_write(const char* address, int bytes) {
    pending.address = address;
    pending.bytes = bytes <= 16 ? bytes : 16;
    memcpy(pending.before, address, pending.bytes);
}

void global(const char* address, int bytes, bool write, bool atomic, const void* pc, int array, long offset) {
    if (write) before_write(address, bytes);
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
