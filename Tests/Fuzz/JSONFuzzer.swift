// SPDX-License-Identifier: Apache-2.0

@testable import JSON

/// Reads any bytes as JSON; what is accepted comes out again and is read as the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard let value = try? JSON.parse(bytes) else { return 0 }
    for indent in [nil, 0, 4] {
        guard let again = try? JSON.parse(value.serialize(indent: indent)) else {
            fatalError("what was written is not read")
        }
        precondition(again == value)
    }
    return 0
}
