// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Rules

/// Elements among which others are looked up.
struct ElementSetTests {
    private func element(_ number: Int, map: String = "ports4") -> Element {
        Element(map: map, key: "tcp . \(number)")
    }

    @Test func whatIsThereIsFoundAndNothingElse() {
        let known = ElementSet((0..<3000).map { element(2 * $0) })
        for number in 0..<6000 { #expect(known.contains(element(number)) == number.isMultiple(of: 2)) }
        #expect(!known.contains(element(0, map: "ports6")))
        #expect(!known.contains(Element(map: "ports", key: "4tcp . 0")))
    }

    @Test func nothingIsInNothing() { #expect(!ElementSet([]).contains(element(1))) }

    @Test func oneThatIsThereTwiceIsFound() {
        let known = ElementSet([element(1), element(1), element(2), element(1)])
        #expect(known.contains(element(1)) && known.contains(element(2)) && !known.contains(element(3)))
    }
}
