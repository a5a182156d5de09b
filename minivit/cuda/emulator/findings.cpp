// The list of findings of one launch.
#include "findings.h"

#include "block.h"

namespace findings {

Finding list[MOST];
int count;

Finding make(Kind kind) {
    Finding finding = {};
    finding.kind = kind;
    finding.thread = block::current;
    finding.block = finding.other_block = block::number;
    finding.other_thread = -1;
    finding.array = NONE;
    return finding;
}

static bool same(const Finding& a, const Finding& b) {
    return a.kind == b.kind && a.line == b.line && a.other_line == b.other_line && a.pc == b.pc
        && a.other_pc == b.other_pc && a.array == b.array;
}

Finding* add(const Finding& finding) {
    for (int i = 0; i < count; ++i)
        if (same(list[i], finding)) {
            ++list[i].count;
            list[i].same_value &= finding.same_value;
            return &list[i];
        }
    if (count == MOST) return nullptr;
    list[count] = finding;
    list[count].count = 1;
    return &list[count++];
}

void clear() { count = 0; }

}
