// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

extension LeaseIndex {
    /// The first free address of a stretch; full words are passed over at a step.
    func firstFree(in stretch: AddressRange) -> IPAddress? {
        let family = stretch.first.family
        var bits = stretch.first.bits
        while bits <= stretch.last.bits {
            let free = ~taken(family, bits >> 6) & UInt64.max << UInt64(bits & 63)
            if free != 0 {
                let candidate = bits & ~63 | UInt128(free.trailingZeroBitCount)
                return candidate <= stretch.last.bits ? IPAddress(family: family, bits: candidate) : nil
            }
            let (next, overflow) = (bits >> 6).addingReportingOverflow(1)
            if overflow || next > UInt128.max >> 6 { return nil }
            bits = next << 6
        }
        return nil
    }

    /// Notes whether an address is taken.
    func setTaken(_ address: IPAddress, _ isTaken: Bool) {
        let offset = wordOffset(address.family, address.bits >> 6)
        if file.load(UInt8.self, at: offset + 16) == 0 {
            if !isTaken { return }
            usedWords += 1
            file.store(UInt64(truncatingIfNeeded: address.bits >> 6), at: offset)
            file.store(UInt64(truncatingIfNeeded: address.bits >> 70), at: offset + 8)
            file.store(address.family.rawValue, at: offset + 16)
        }
        let bit = UInt64(1) << UInt64(address.bits & 63)
        let mask = file.load(UInt64.self, at: offset + 24)
        file.store(isTaken ? mask | bit : mask & ~bit, at: offset + 24)
    }

    /// The bits of the addresses of a word that are taken.
    private func taken(_ family: IPAddress.Family, _ word: UInt128) -> UInt64 {
        let offset = wordOffset(family, word)
        return file.load(UInt8.self, at: offset + 16) == 0 ? 0 : file.load(UInt64.self, at: offset + 24)
    }

    /// Where a word is, or where it would be put.
    private func wordOffset(_ family: IPAddress.Family, _ word: UInt128) -> Int {
        let (low, high) = (UInt64(truncatingIfNeeded: word), UInt64(truncatingIfNeeded: word >> 64))
        let hash = (low ^ high &* 0xff51_afd7_ed55_8ccd) &* 0x9e37_79b9_7f4a_7c15
        var slot = Int(hash >> 20) & (capacity - 1)
        while true {
            let offset = Self.headerSize + capacity * Self.slotSize + slot * Self.wordSize
            let tag = file.load(UInt8.self, at: offset + 16)
            let isMatch =
                tag == family.rawValue && file.load(UInt64.self, at: offset) == low
                && file.load(UInt64.self, at: offset + 8) == high
            if tag == 0 || isMatch { return offset }
            slot = (slot + 1) & (capacity - 1)
        }
    }
}
