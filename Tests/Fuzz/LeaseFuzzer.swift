// SPDX-License-Identifier: Apache-2.0

@testable import AddressStore

/// Reads any bytes as a file of the address store; what is a lease is written as one that is read as the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let lease = Lease(content: Array(UnsafeBufferPointer(start: start, count: count))) else { return 0 }
    precondition(!lease.containerID.isEmpty)
    guard let interface = lease.interface, !interface.isEmpty else { return 0 }
    precondition(Lease(content: lease.content) == lease)
    precondition(lease.key >> 63 == 1)
    return 0
}
