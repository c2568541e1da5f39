// SPDX-License-Identifier: Apache-2.0

import CLibNFTables
import Linux
import Testing

/// What is read out of the text of libnftables, where the library cannot be made to say it.
struct RefusalTests {
    @Test(arguments: [
        ("Error: Could not process rule: Resource temporarily unavailable", Errno.wouldBlock),
        ("Error: Could not process rule: Interrupted system call", .wouldBlock),
        ("Error: cache initialization failed: Operation not permitted", .notPermitted),
        ("Error: Could not process rule: Operation not supported", .notSupported),
        ("Error: Could not process rule: Device or resource busy", .busy),
        ("Error: Could not process rule: File exists", .fileExists),
        ("Error: No such file or directory; did you mean table ‘x’ in family ip?", .noSuchFile),
        ("Error: Could not process rule: Too many open files in system", .invalidArgument),
        ("Error: syntax error, unexpected newline", .invalidArgument), ("", .invalidArgument),
        ("File exist", .invalidArgument),
    ])
    func theSentenceTellsTheKind(text: String, errno: Errno) {
        #expect(Errno(clibnftables_error_number(text)) == errno)
    }
}
