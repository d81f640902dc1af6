// SPDX-License-Identifier: Apache-2.0
// A real single-node OpenSearch with HTTP on 127.0.0.1, from Maven Central artifacts only.
// Usage: java -cp 'lib/*:classes' OpenSearchNode DATA_DIR HTTP_PORT
// The same source runs OpenSearch 2.19 (Java 17) and 3.8 (Java 21 or newer).
// Logs "READY port" once the node is up; stops on SIGTERM.
import java.util.Arrays;
import java.util.stream.Collectors;
import org.codelibs.opensearch.runner.OpenSearchRunner;

public final class OpenSearchNode {
    /** Opens the runner's list of module classes, whose names differ between 2.x and 3.x. */
    private static final class Runner extends OpenSearchRunner {
        // All modules but the language analyzers: a trimmed JRE has no Thai word breaker and every index creation would fail.
        static String modules() {
            return Arrays.stream(MODULE_TYPES).filter(t -> !t.contains("CommonAnalysis")).collect(Collectors.joining(","));
        }
    }

    public static void main(String[] args) throws Exception {
        String base = args[0];
        int port = Integer.parseInt(args[1]);
        OpenSearchRunner runner = new Runner();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception ignored) {
            }
        }));
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", port);
            settings.put("transport.port", port + 100);
            settings.put("discovery.type", "single-node");
            settings.put("action.auto_create_index", "true");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
            settings.putList("node.roles", "cluster_manager", "data", "ingest");
        });
        runner.build(OpenSearchRunner.newConfigs().basePath(base).clusterName("wirebeat-tests").numOfNode(1).moduleTypes(Runner.modules()).useLogger());
        runner.ensureYellow();
        System.out.println("READY " + port);
        Thread.currentThread().join();
    }
}
