// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import NFTables

/// Questions to the kernel without the library.
@Suite(.ownNetworkNamespace, .serialized)
struct TableSocketTests {
    private static let table = Table("inet try")

    private func found() throws {
        try Programs.run(
            "nft",
            """
            add table inet try; add chain inet try one; add chain inet try two; add rule inet try two jump one;
            add map inet try m { type ifname . inet_service : verdict; };
            add element inet try m { "a" . 1 comment "it is one" : jump one, "a" . 2 : goto two }
            """
        )
    }

    @Test func oneSocketAnswersManyQuestions() throws {
        let socket = TableSocket()
        #expect(try socket.use(ofChain: "one", in: Self.table) == nil)
        try found()
        // What is missing between what is there: no answer may be taken for that to another question.
        for _ in 0..<100 {
            #expect(try socket.use(ofChain: "one", in: Self.table) == 2)
            #expect(try socket.use(ofChain: "three", in: Self.table) == nil)
            let one = try socket.element(of: "m", "\"a\" . 1", in: Self.table)
            #expect(one?.comment == "it is one" && one?.chain == "one")
            let three = try socket.element(of: "m", "\"a\" . 3", in: Self.table)
            #expect(three?.chain == nil)
            let two = try socket.element(of: "m", "\"a\" . 2", in: Self.table)
            #expect(two?.comment == "" && two?.chain == "two")
            #expect(try socket.use(ofChain: "two", in: Table("ip try")) == nil)
            #expect(try socket.use(ofChain: "two", in: Self.table) == 2)
        }
    }

    @Test func itBelongsToTheNamespaceWhereItWasOpened() throws {
        try found()
        let container = try ContainerNamespace()
        let outside = TableSocket()
        let uses = try container.inside {
            (try outside.use(ofChain: "two", in: Self.table), try TableSocket().use(ofChain: "two", in: Self.table))
        }
        #expect(uses.0 == 2 && uses.1 == nil)
    }
}
