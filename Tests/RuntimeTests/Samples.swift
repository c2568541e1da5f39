// SPDX-License-Identifier: Apache-2.0

import Support

/// The configurations in the folder conf, which operators install as they are.
enum Samples {
    /// The path of one of them, found beside testdata.
    static func path(_ name: String) -> String { "\(Golden.directory)/../conf/\(name)" }
}
