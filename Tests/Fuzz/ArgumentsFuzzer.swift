// SPDX-License-Identifier: Apache-2.0

@testable import CNI

/// Reads any text as CNI_ARGS and as a version; keys that are accepted have a value.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    if let arguments = try? Arguments(text, known: ["IP", "MAC"]) {
        _ = (arguments["IP"], arguments["MAC"], arguments["K8S_POD_NAME"])
    }
    if let version = Version(text), !text.isEmpty { precondition(version.description == text) }
    if let number = VersionNumber(text) { _ = number.isOlder(than: .newest) }
    return 0
}
