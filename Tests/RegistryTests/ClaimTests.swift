// SPDX-License-Identifier: Apache-2.0

import Addressing
import Claims
import Overlay
import Testing

/// Who must give way to whom, against a rule that looks at all hosts each time.
@Suite("overlayd: claims")
struct ClaimTests {
    private struct Known {
        let key: String
        let host: RegistryClaims.Host
    }

    private static func lease(_ key: String, _ address: Int) -> RegistryLease? {
        guard let subnets = RegistryLease.subnets(key: key), let host = IPAddress("192.168.9.\(address)") else {
            return nil
        }
        return RegistryLease(subnets: subnets, publicIP: host, backend: "vxlan")
    }

    /// The keys of those that need not give way.
    private func accepted(_ all: [Known]) -> [String] {
        func goesFirst(_ first: Known, _ second: Known) -> Bool {
            (first.host.creation, first.key) < (second.host.creation, second.key)
        }
        return all.filter { own in
            let others = all.filter { goesFirst($0, own) && $0.host.lease.publicIP != own.host.lease.publicIP }
            let first = all.filter { $0.host.mac == own.host.mac }.min(by: goesFirst)
            return first?.host.lease.publicIP == own.host.lease.publicIP
                && !others.contains { other in
                    own.host.lease.subnets.contains { mine in
                        other.host.lease.subnets.contains { $0.overlaps(mine) }
                    }
                }
        }
        .map { $0.key }.sorted()
    }

    @Test(arguments: 0..<20)
    func theyAreThoseOfTheRule(seed: UInt64) throws {
        var generator = Numbers(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        var (claims, all, ways) = (RegistryClaims(), [Known](), [String: RegistryLease]())
        for time in 1...300 {
            let length = [20, 23, 24, 24, 24, 25, 28].randomElement(using: &generator) ?? 24
            let bits = (0x0A05_0000 | UInt128.random(in: 0..<4096, using: &generator))
            var key = ""
            if let prefix = Prefix(address: IPAddress(family: .v4, bits: bits), length: length) {
                key = RegistryLease.key([prefix.masked])
            }
            if Int.random(in: 0..<3, using: &generator) == 0 {
                let number = Int.random(in: 0..<16, using: &generator)
                key += "&fc00:5:0:\(number == 0 ? "" : String(number, radix: 16))::-\([60, 64].randomElement() ?? 64)"
            }
            // Some go, and some are written anew with another value.
            let known = all.randomElement(using: &generator)
            let isOld = Int.random(in: 0..<3, using: &generator) == 0
            if let known, isOld { key = known.key }
            let creation = all.first { $0.key == key }?.host.creation ?? Int64(time / 2)
            all.removeAll { $0.key == key }
            var host: RegistryClaims.Host?
            if !isOld || Bool.random(using: &generator),
                let lease = Self.lease(key, Int.random(in: 1..<200, using: &generator))
            {
                let octet = UInt8.random(in: 0..<120, using: &generator)
                host = .init(lease, mac: MACAddress(bytes: [2, 0, 0, 0, 0, octet]), creation: creation)
            }
            if let host { all.append(Known(key: key, host: host)) }
            for (key, host) in claims.set(key, host) {
                #expect(ways[key] != host?.lease)
                ways[key] = host?.lease
            }
            let expected = accepted(all)
            #expect(claims.accepted.map { $0.key }.sorted() == expected)
            #expect(ways.keys.sorted() == expected)
            #expect(claims.accepted.allSatisfy { ways[$0.key] == $0.host.lease })
            #expect(claims.objections.count == all.count - expected.count && claims.count == all.count)
        }
        for known in all { _ = claims.set(known.key, nil) }
        #expect(claims.count == 0 && claims.objections.isEmpty)
    }

    @Test(arguments: [24, 22])
    func aChangeAmongManyCostsAsAmongFew(length: Int) throws {
        func time(_ count: Int) throws -> Duration {
            var claims = RegistryClaims()
            func set(_ number: Int, _ length: Int, _ creation: Int) throws {
                let address = IPAddress(family: .v4, bits: UInt128(0x0A00_0000 | number << 8))
                let prefix = try #require(Prefix(address: address, length: length)?.masked)
                let publicIP = IPAddress(family: .v4, bits: UInt128(0xAC10_0000 | creation))
                let lease = RegistryLease(subnets: [prefix], publicIP: publicIP, backend: "vxlan")
                let host = RegistryClaims.Host(lease, mac: .following(publicIP, in: 1), creation: Int64(creation))
                _ = claims.set(lease.key, host)
            }
            for number in 0..<count { try set(number, 24, number) }
            // All of them are parts of this one, and those of other lengths have been seen.
            try set(0, 8, count)
            try set(0, length, count + 1)
            return try ContinuousClock().measure {
                for number in 0..<200 { try set(number % 8, length, count + 2 + number) }
            }
        }
        _ = try time(10)
        let (few, many) = (try time(10), try time(20_000))
        #expect(many < few * 5, "\(few) among few, \(many) among many")
    }
}

/// Numbers that are the same each time.
private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
