package peers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.support.GenericApplicationContext;
import org.springframework.modulith.events.ApplicationModuleListener;
import org.springframework.scheduling.annotation.EnableAsync;

/**
 * Spring Modulith's event publication registry (JDBC): https://docs.spring.io/spring-modulith/reference/events.html
 *
 * What each program of benches/peers answers to is explained in their README. This one has events and no jobs, and delivers within
 * the process that publishes, at the commit.
 */
@SpringBootApplication
@EnableAsync
public class Main {

    public static void main(String[] words) throws Exception {
        Map<String, String> named = new HashMap<>();
        for (int at = 1; at + 1 < words.length; at += 2) {
            named.put(words[at].replaceFirst("^--", ""), words[at + 1]);
        }
        if (words[0].equals("about")) {
            say(about());
            return;
        }
        int callers = Integer.parseInt(named.getOrDefault("callers", "8"));
        int listeners = Integer.parseInt(named.getOrDefault("listeners", "1"));
        try (ConfigurableApplicationContext context = start(words[0], named.get("url"), callers, listeners)) {
            Tasks tasks = context.getBean(Tasks.class);
            switch (words[0]) {
                case "setup" -> tasks.setUp();
                case "enqueue" -> say(tasks.enqueue(callers, named.get("n"), named.get("seconds")));
                case "latency" -> say(tasks.latency(number(named, "n"), number(named, "rate")));
                case "deliver" -> say(tasks.deliver(number(named, "n"), listeners));
                default -> throw new IllegalArgumentException("no task " + words[0]);
            }
        }
        System.exit(0);
    }

    private static ConfigurableApplicationContext start(String task, String url, int callers, int listeners) {
        Database database = Database.of(url);
        Map<String, Object> properties = new HashMap<>();
        properties.put("spring.datasource.url", database.url());
        properties.put("spring.datasource.username", database.user());
        properties.put("spring.datasource.password", database.password());
        // The callers, and the eight threads of Boot's executor, each of which may hold one connection and want a second.
        properties.put("spring.datasource.hikari.maximum-pool-size", callers + 20);
        properties.put("spring.modulith.events.jdbc.schema-initialization.enabled", task.equals("setup"));
        return new SpringApplicationBuilder(Main.class)
                .web(WebApplicationType.NONE)
                .properties(properties)
                .initializers((GenericApplicationContext context) -> Listeners.register(context, listeners))
                .run();
    }

    private static int number(Map<String, String> named, String name) {
        return Integer.parseInt(named.get(name));
    }

    private static Map<String, Object> about() {
        String version = ApplicationModuleListener.class.getPackage().getImplementationVersion();
        Map<String, Object> about = new HashMap<>();
        about.put("version", version == null ? "unknown" : version);
        about.put("runtime", "Java " + Runtime.version().feature() + ", Spring Boot "
                + org.springframework.boot.SpringBootVersion.getVersion());
        about.put("keeps", true);
        about.put("configuration", "@ApplicationModuleListener on Boot's executor (8 threads), completion mode UPDATE, which is the "
                + "default and keeps what was completed; its callers' events are delivered meanwhile, since that cannot be put off");
        about.put("unfinished", "SELECT count(*) FROM event_publication WHERE completion_date IS NULL");
        about.put("can", List.of("enqueue", "latency", "deliver"));
        return about;
    }

    /** By hand: the answers are maps, lists, numbers and plain words. */
    static void say(Object answer) {
        System.out.println(text(answer));
        System.out.flush();
    }

    private static String text(Object value) {
        if (value instanceof Map<?, ?> map) {
            List<String> parts = new ArrayList<>();
            map.forEach((name, part) -> parts.add(text(name) + ":" + text(part)));
            return "{" + String.join(",", parts) + "}";
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(",", list.stream().map(Main::text).toList()) + "]";
        }
        if (value instanceof String word) {
            return '"' + word.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
        }
        return String.valueOf(value);
    }
}
