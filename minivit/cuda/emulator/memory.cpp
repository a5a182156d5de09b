// The arrays of a launch, copied between guard zones and, like memory of a device, to multiples of 256 bytes.
//
// The copies mean that a kernel that runs over an array's end hits a guard zone and not Python. A guard zone is filled
// with a NaN, so that what was read there is seen in the result; a marked one, so that a NaN written there is seen too.
#include "memory.h"

#include "findings.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

namespace memory {

Region regions[MOST];
int count;
char *low, *high;

static const long GUARD = 4096, ALIGNMENT = 256;
static const uint32_t MARK = 0xfffacade;                // a NaN, as a float and (twice) as a double
static long capacity;

static void fill_guard(char* from, char* to) {
    for (; from < to; ++from) *from = (char)(MARK >> (uintptr_t)from % 4 * 8);
}

static bool guard_is_whole(const char* from, const char* to) {
    for (; from < to && (uintptr_t)from % 4; ++from)
        if (*from != (char)(MARK >> (uintptr_t)from % 4 * 8)) return false;
    for (; from + 4 <= to; from += 4)
        if (*(const uint32_t*)from != MARK) return false;
    for (; from < to; ++from)
        if (*from != (char)(MARK >> (uintptr_t)from % 4 * 8)) return false;
    return true;
}

static char* guard_start(int i) { return i ? regions[i - 1].device + regions[i - 1].bytes : low; }
static char* guard_end(int i) { return i < count ? regions[i].device : high; }

// The regions, sorted by address on the host: every argument starts one, or widens the one that it overlaps.
static long find_regions(const Argument* arguments, int n) {
    int order[MOST], arrays = 0;
    for (int i = 0; i < n; ++i) {
        if (!arguments[i].is_array) continue;
        int place = arrays++;
        for (; place > 0 && arguments[order[place - 1]].bits > arguments[i].bits; --place)
            order[place] = order[place - 1];
        order[place] = i;
    }
    long needed = GUARD;
    count = 0;
    for (int k = 0; k < arrays; ++k) {
        const Argument& it = arguments[order[k]];
        char *host = (char*)it.bits, *end = host + it.bytes;
        if (count && host < regions[count - 1].host + regions[count - 1].bytes) {
            Region& region = regions[count - 1];
            if (end > region.host + region.bytes) region.bytes = end - region.host;
            region.constant &= it.constant != 0;
        } else {
            regions[count++] = {host, (char*)it.phase, it.bytes, it.constant != 0, order[k]};
        }
    }
    for (int i = 0; i < count; ++i) {                   // `device` is an offset, until there is memory to lie in
        long phase = (long)regions[i].device;
        needed = (needed + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + phase;
        regions[i].device = (char*)needed;
        needed += regions[i].bytes + GUARD;
    }
    return (needed + GUARD - 1) / GUARD * GUARD;
}

bool place(Argument* arguments, int n, bool elsewhere) {
    if (n > MOST) return false;
    long needed = find_regions(arguments, n);
    if (needed > capacity || elsewhere) {
        void* memory = mmap(nullptr, needed, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (low) munmap(low, capacity);                 // only now: so that the new memory is not where the old one was
        low = memory == MAP_FAILED ? nullptr : (char*)memory;
        capacity = low ? needed : 0;
        if (!low) return false;
    }
    high = low + needed;
    for (int i = 0; i < count; ++i) {
        regions[i].device += (long)low;
        memcpy(regions[i].device, regions[i].host, regions[i].bytes);
    }
    for (int i = 0; i <= count; ++i) fill_guard(guard_start(i), guard_end(i));
    for (int i = 0; i < n; ++i) {
        if (!arguments[i].is_array) continue;
        char* host = (char*)arguments[i].bits;
        for (int k = 0; k < count; ++k)
            if (host >= regions[k].host && host + arguments[i].bytes <= regions[k].host + regions[k].bytes) {
                arguments[i].bits = (unsigned long long)(regions[k].device + (host - regions[k].host));
                break;
            }
    }
    return true;
}

void copy_back() {
    for (int i = 0; i < count; ++i)
        if (!regions[i].constant) memcpy(regions[i].host, regions[i].device, regions[i].bytes);
}

void check_guards() {
    for (int i = 0; i <= count; ++i) {
        if (guard_is_whole(guard_start(i), guard_end(i))) continue;
        findings::Finding finding = findings::make(findings::GUARD_CHANGED);
        finding.thread = -1;
        for (const char* at = guard_start(i); at < guard_end(i); ++at)
            if (*at != (char)(MARK >> (uintptr_t)at % 4 * 8)) {
                const Region* region = nearest(at);
                finding.array = region->parameter, finding.offset = at - region->device, finding.bytes = region->bytes;
                break;
            }
        findings::add(finding);
    }
}

const Region* nearest(const char* address) {
    const Region* best = nullptr;
    long least = 0;
    for (int i = 0; i < count; ++i) {
        const Region& it = regions[i];
        long away = address < it.device ? it.device - address
                  : address >= it.device + it.bytes ? address - (it.device + it.bytes) + 1 : 0;
        if (!best || away < least) best = &it, least = away;
    }
    return best;
}

}
