// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Whether the checksums of what an interface sends are left to the hardware: ethtool(8), tx-checksumming.
public enum ChecksumOffload {
    /// Reads the setting of an interface in the namespace of the calling thread.
    public static func isOn(_ interface: String) throws(Errno) -> Bool {
        try unsafe check(linux_tx_checksum(interface)) != 0
    }

    /// Changes the setting of an interface in the namespace of the calling thread.
    public static func set(_ interface: String, _ isOn: Bool) throws(Errno) {
        try unsafe check(linux_set_tx_checksum(interface, isOn))
        Trace.step("ethtool \(interface) tx \(isOn ? "on" : "off")")
    }
}
