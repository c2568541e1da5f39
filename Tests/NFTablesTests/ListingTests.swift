// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NFTables

/// What is found in the text of a table.
struct ListingTests {
    private let listing = Listing(
        Array(
            """
            table bridge try {
            \tmap ports {
            \t\ttype ifname : verdict
            \t\telements = { "a" : jump mac-1, "b" : jump mac-2 }
            \t}

            \tchain prerouting {
            \t\tiifname vmap @ports
            \t}

            \tchain mac-1 {
            \t\tdrop comment "lan/c1/eth0"
            \t}

            \tchain mac-2 {
            \t}

            \tchain mac-3 {
            \t\tdrop comment "lan/c3/eth0"
            \t\tdrop comment "lan2/c3/eth0"
            \t}

            \tchain other {
            \t\tdrop comment "lan/c4/eth0"
            \t}
            }

            """.utf8
        )
    )

    @Test func aTextIsFoundAndCounted() {
        #expect(listing.contains("\"b\" : jump mac-2"))
        #expect(!listing.contains("\"c\""))
        #expect(listing.count(" : jump ") == 2)
        #expect(listing.count("nothing") == 0)
        #expect(listing.count("}\n") == 8)
    }

    @Test func chainsAreFoundByWhatIsInThem() {
        #expect(listing.chains(named: "mac-", containing: "comment \"lan/") == ["mac-1", "mac-3"])
        #expect(listing.chains(named: "mac-", containing: "comment \"lan2/") == ["mac-3"])
        #expect(listing.chains(named: "o", containing: "comment \"lan/") == ["other"])
        #expect(listing.chains(named: "mac-", containing: "iifname") == [])
        #expect(listing.chains(named: "mac-9", containing: "comment") == [])
        #expect(Listing([]).chains(named: "mac-", containing: "comment") == [])
    }
}
