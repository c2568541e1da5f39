// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NFTables

/// The text of transactions, as nft(8) reads it.
struct TransactionTests {
    private static let table = Table("bridge swift_cni")

    private func text(_ build: (inout Transaction) -> Void) -> String {
        var transaction = Transaction("try", in: Self.table)
        build(&transaction)
        return transaction.text
    }

    @Test func aTableWithAllThatCanBeInIt() {
        let text = text {
            $0.create(.table)
            $0.add(.counter("forged"))
            $0.add(.map("guard", "type ifname : verdict;"))
            $0.add(.set("known", "type ether_addr;"))
            $0.add(.chain("prerouting", "type filter hook prerouting priority -300; policy accept;"))
            $0.create(.chain("mac-1"))
            $0.add(.rule(in: "mac-1", "ether saddr != 02:00:00:00:00:01 drop comment \(Object.quoted("lan/c1/eth0"))"))
            $0.add(.element(of: "guard", "\(Object.quoted("veth1")) : jump mac-1"))
            $0.add(.element(of: "known", "02:00:00:00:00:01"))
        }
        #expect(
            text == """
                create table bridge swift_cni
                add counter bridge swift_cni forged
                add map bridge swift_cni guard { type ifname : verdict; }
                add set bridge swift_cni known { type ether_addr; }
                add chain bridge swift_cni prerouting { type filter hook prerouting priority -300; policy accept; }
                create chain bridge swift_cni mac-1
                add rule bridge swift_cni mac-1 ether saddr != 02:00:00:00:00:01 drop comment "lan/c1/eth0"
                add element bridge swift_cni guard { "veth1" : jump mac-1 }
                add element bridge swift_cni known { 02:00:00:00:00:01 }

                """
        )
    }

    @Test func aDeletionLeavesOutWhatOnlyAnAdditionNeeds() {
        let text = text {
            $0.delete(.element(of: "guard", "\"veth1\" : jump mac-1"))
            $0.flush(.chain("mac-1"))
            $0.delete(.chain("prerouting", "type filter hook prerouting priority -300;"))
            $0.delete(.map("guard", "type ifname : verdict;"))
            $0.delete(.table)
        }
        #expect(
            text == """
                delete element bridge swift_cni guard { "veth1" : jump mac-1 }
                flush chain bridge swift_cni mac-1
                delete chain bridge swift_cni prerouting
                delete map bridge swift_cni guard
                delete table bridge swift_cni

                """
        )
    }

    @Test func aQuotedTextCannotEndItself() {
        #expect(Object.quoted("lan/c1/e\"th0") == "\"lan/c1/e'th0\"")
        #expect(Object.quoted("a\nb\u{1}c") == "\"a'b'c\"")
        #expect(Object.quoted("") == "\"\"")
    }

    @Test(arguments: [
        (String(repeating: "a", count: 128), 128), (String(repeating: "a", count: 129), 128),
        (String(repeating: "é", count: 65), 128), ("a" + String(repeating: "é", count: 65), 127),
        ("aa" + String(repeating: "€", count: 50), 128), (String(repeating: "😀", count: 40), 128),
    ])
    func aLongTextIsCutBetweenCharacters(text: String, length: Int) {
        let quoted = Object.quoted(text)
        #expect(quoted.utf8.count == length + 2)
        #expect(text.hasPrefix(quoted.dropFirst().dropLast()))
    }
}
