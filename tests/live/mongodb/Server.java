// SPDX-License-Identifier: Apache-2.0

import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/** A server of MongoDB's protocol that keeps everything in memory; its argument is the port. */
public final class Server {
    public static void main(String[] arguments) {
        new MongoServer(new MemoryBackend()).bind("0.0.0.0", Integer.parseInt(arguments[0]));
    }
}
