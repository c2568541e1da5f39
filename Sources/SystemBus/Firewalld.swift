// SPDX-License-Identifier: Apache-2.0

import Linux

/// The daemon firewalld, as far as it says which zone the packets of an address belong to.
///
/// What is changed here holds until firewalld is reloaded or restarted: it is the running configuration, not the permanent one.
public struct Firewalld: ~Copyable {
    private static var name: String { "org.fedoraproject.FirewallD1" }
    // As long as callers of D-Bus wait by default: the daemon does one thing at a time, and may be busy with others' rules.
    private static var limitMilliseconds: Int { 25_000 }

    private var bus: SystemBus

    /// Connects to the bus on which the daemon is expected.
    public static func open() throws(BusError) -> Firewalld { Firewalld(bus: try SystemBus.open()) }

    /// Connects to the bus on which the daemon is expected; nothing if there is no bus, and so no daemon either.
    public static func openIfExists() throws(BusError) -> Firewalld? {
        guard SystemBus.mayExist() else { return nil }
        do { return try open() } catch {
            if error.errno == .connectionRefused || error.errno == .noSuchFile { return nil }
            throw error
        }
    }

    private init(bus: consuming SystemBus) { self.bus = bus }

    /// Whether the daemon runs; a host without a bus, or with one that doesn't answer within two seconds, has none.
    public static func isRunning() -> Bool {
        guard SystemBus.mayExist() else { return false }
        do {
            var bus = try SystemBus.open()
            return try bus.hasOwner(name)
        } catch {
            Trace.step(error.description)
            return false
        }
    }

    /// Has a zone decide about what comes from an address or a network.
    ///
    /// - Returns: Whether it did not do so before.
    /// - Throws: Also if another zone decides about it.
    public mutating func addSource(_ source: String, to zone: String) throws(BusError) -> Bool {
        do {
            try call("addSource", zone, source, "add the source \(source) to the zone \(zone)")
        } catch {
            if ["ZONE_ALREADY_SET", "ALREADY_ENABLED"].contains(where: { error.isOf($0) }) { return false }
            throw error
        }
        return true
    }

    /// Ends that a zone decides about what comes from an address or a network.
    ///
    /// - Returns: Whether it did so until now. It did not if the daemon is gone, or the zone is, or another zone decides.
    public mutating func removeSource(_ source: String, from zone: String) throws(BusError) -> Bool {
        do {
            try call("removeSource", zone, source, "remove the source \(source) from the zone \(zone)")
        } catch {
            if error.hasNoAddressee { return false }
            let harmless = ["UNKNOWN_SOURCE", "NOT_ENABLED", "ZONE_CONFLICT", "INVALID_ZONE"]
            if harmless.contains(where: { error.isOf($0) }) { return false }
            throw error
        }
        return true
    }

    /// Whether a zone decides about what comes from an address or a network.
    public mutating func hasSource(_ source: String, in zone: String) throws(BusError) -> Bool {
        try call("querySource", zone, source, "look for the source \(source) in the zone \(zone)")
    }

    @discardableResult
    private mutating func call(
        _ member: String,
        _ zone: String,
        _ source: String,
        _ operation: String
    ) throws(BusError) -> Bool {
        let method = SystemBus.Method(
            member,
            of: "\(Self.name).zone",
            at: "/org/fedoraproject/FirewallD1",
            destination: Self.name
        )
        return try bus.call(method, zone, source, limitMilliseconds: Self.limitMilliseconds, operation)
    }
}
