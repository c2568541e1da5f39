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

    @Test func textsAreFoundInTheirOrder() {
        #expect(listing.contains(inOrder: []))
        #expect(listing.contains(inOrder: ["chain mac-1", "drop", "chain mac-2"]))
        #expect(!listing.contains(inOrder: ["chain mac-2", "chain mac-1"]))
        #expect(listing.contains(inOrder: ["drop", "drop", "drop", "drop"]))
        #expect(!listing.contains(inOrder: ["drop", "drop", "drop", "drop", "drop"]))
    }

    @Test(arguments: [
        ("\telements = { \"a\" : jump mac-1, \"b\" : jump mac-2 }", ["\"a\" : jump mac-1", "\"b\" : jump mac-2"]),
        (
            "\telements = { tcp . 80 : 10.0.0.1 . 80,\n\t\t\t     tcp . 81 : 10.0.0.1 . 81 }",
            ["tcp . 80 : 10.0.0.1 . 80", "tcp . 81 : 10.0.0.1 . 81"]
        ),
        ("\telements = { \"a,b}\" . 10.0.0.1 }", ["\"a,b}\" . 10.0.0.1"]), ("\ttype ifname : verdict", []),
    ])
    func elementsAreTakenApart(text: String, elements: [String]) {
        #expect(Listing("ports {\n\t\ttype ifname : verdict\n\t" + text).elements == elements)
    }

    /// The names of the chains that begin with a text and in which another text occurs.
    private func chains(_ listing: Listing, named prefix: String, containing part: String) -> [String] {
        listing.blocks("\tchain ").filter { $0.name.hasPrefix(prefix) && $0.text.mentions(part) }.map { $0.name }
    }

    @Test func chainsAreFoundByWhatIsInThem() {
        #expect(chains(listing, named: "mac-", containing: "comment \"lan/") == ["mac-1", "mac-3"])
        #expect(chains(listing, named: "mac-", containing: "comment \"lan2/") == ["mac-3"])
        #expect(chains(listing, named: "o", containing: "comment \"lan/") == ["other"])
        #expect(chains(listing, named: "mac-", containing: "iifname") == [])
        #expect(chains(listing, named: "mac-9", containing: "comment") == [])
        #expect(chains(Listing([]), named: "mac-", containing: "comment") == [])
    }
}
