// SPDX-License-Identifier: Apache-2.0

/// Elements among which others are looked up, each at the same cost however many there are.
public struct ElementSet: Sendable {
    private let elements: [Element]
    // The number of an element where its hash says, or behind that; -1 where there is none.
    private var numbers: [Int]

    /// Takes elements, of which some may be the same.
    @inline(never)
    public init(_ elements: [Element]) {
        self.elements = elements
        numbers = [Int](repeating: -1, count: 2 * elements.count + 1)
        for (number, element) in elements.enumerated() { numbers[place(of: element)] = number }
    }

    /// Whether an element is among them.
    public func contains(_ element: Element) -> Bool { numbers[place(of: element)] >= 0 }

    /// Where an element is or would be.
    @inline(never)
    private func place(of element: Element) -> Int {
        let hash = Self.hash(element.key, Self.hash(element.map, 0xcbf2_9ce4_8422_2325))
        var place = Int(hash % UInt64(numbers.count))
        while numbers[place] >= 0, elements[numbers[place]] != element { place = (place + 1) % numbers.count }
        return place
    }

    /// Goes on with a hash, which is FNV-1a: those who could choose keys that collide may publish ports anyway.
    @inline(never)
    private static func hash(_ text: String, _ start: UInt64) -> UInt64 {
        var hash = start
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}
