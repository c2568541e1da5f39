// SPDX-License-Identifier: Apache-2.0

import Addressing
import JSON
import Support
import Testing

@testable import CNI

/// Laws that hold for any result.
@Suite(.seeded) struct AddResultPropertyTests {
    private static func prefix(_ generator: inout SeededGenerator) -> Prefix? {
        if Bool.random(using: &generator) {
            let address = IPAddress(family: .v4, bits: UInt128(UInt32.random(in: 0 ... .max, using: &generator)))
            return Prefix(address: address, length: .random(in: 0...32, using: &generator))
        }
        // Not in the range of mapped addresses, which are read as IPv4.
        let bits = UInt128(0xFD) << 120 | UInt128(generator.next())
        return Prefix(address: IPAddress(family: .v6, bits: bits), length: .random(in: 0...128, using: &generator))
    }

    private static func number(_ generator: inout SeededGenerator) -> UInt32? {
        Bool.random(using: &generator) ? .random(in: 1 ... .max, using: &generator) : nil
    }

    private static func route(_ generator: inout SeededGenerator) -> RouteConfiguration? {
        guard let prefix = prefix(&generator) else { return nil }
        var route = RouteConfiguration(to: prefix, via: Self.prefix(&generator)?.address)
        route.mtu = number(&generator)
        route.advertisedMSS = number(&generator)
        route.priority = number(&generator)
        route.table = number(&generator)
        route.scope = [nil, 0, 200, 253, 254].randomElement(using: &generator) ?? nil
        return route
    }

    private static func result(_ generator: inout SeededGenerator) -> AddResult {
        var result = AddResult()
        for index in 0..<Int.random(in: 0...3, using: &generator) {
            var interface = Interface(name: "eth\(index)", mac: "02:00:00:00:00:0\(index)", mtu: number(&generator))
            interface.sandbox = Bool.random(using: &generator) ? "/run/netns/a\"\\\u{1F600}" : ""
            result.interfaces.append(interface)
        }
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            guard let address = prefix(&generator) else { continue }
            let index = Int?.some(.random(in: 0...3, using: &generator))
            result.ips.append(IPConfiguration(address: address, gateway: prefix(&generator)?.address, interface: index))
        }
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            if let route = route(&generator) { result.routes.append(route) }
        }
        if Bool.random(using: &generator) { result.dns.search = ["a.test", ""] }
        return result
    }

    @Test func writingAndReadingChangeNothing() throws {
        var generator = SeededGenerator("writingAndReadingChangeNothing")
        for _ in 0..<100 {
            let result = Self.result(&generator)
            for version in Version.allCases {
                let written = try ResultText.write(result, version)
                #expect(try ResultText.write(try ResultText.read(written), version) == written)
            }
        }
    }

    @Test func goingDownInStepsEndsWhereOneStepDoes() throws {
        var generator = SeededGenerator("goingDownInStepsEndsWhereOneStepDoes")
        for _ in 0..<100 {
            let result = Self.result(&generator)
            var stepped = result
            for version in Version.allCases.reversed() {
                stepped = try ResultText.read(try ResultText.write(stepped, version))
                #expect(try ResultText.write(stepped, version) == ResultText.write(result, version))
            }
        }
    }
}
