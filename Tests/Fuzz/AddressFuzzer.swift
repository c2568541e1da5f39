// SPDX-License-Identifier: Apache-2.0

import Addressing

/// Reads any text as an address, a network and a hardware address; what is accepted is read back from its one spelling.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    if let address = IPAddress(text) {
        precondition(IPAddress(address.description) == address)
        if let next = address.successor { precondition(next.predecessor == address) }
    }
    if let prefix = Prefix(text) {
        precondition(Prefix(prefix.description) == prefix)
        precondition(prefix.contains(prefix.address) && prefix.contains(prefix.last) && prefix.masked.isNetwork)
    }
    if let mac = MACAddress(text) { precondition(MACAddress(mac.description) == mac) }
    return 0
}
