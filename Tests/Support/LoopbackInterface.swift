// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The interface lo of the namespace of the calling thread.
public enum LoopbackInterface {
    /// Switches the interface on: netdevice(7), SIOCSIFFLAGS.
    public static func switchOn() {
        let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        var request = ifreq()
        withUnsafeMutableBytes(of: &request) { $0.copyBytes(from: "lo".utf8) }
        guard ioctl(socket, UInt(SIOCGIFFLAGS), &request) == 0 else { return }
        request.ifr_ifru.ifru_flags |= Int16(IFF_UP)
        _ = ioctl(socket, UInt(SIOCSIFFLAGS), &request)
    }
}
