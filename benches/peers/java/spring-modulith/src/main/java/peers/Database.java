package peers;

import java.net.URI;

/** Where the database is, in JDBC's words. */
record Database(String url, String user, String password) {

    /** From {@code postgres://user:password@host:port/database}. */
    static Database of(String url) {
        URI uri = URI.create(url);
        String[] user = uri.getUserInfo() == null ? new String[] {""} : uri.getUserInfo().split(":", 2);
        int port = uri.getPort() < 0 ? 5432 : uri.getPort();
        String query = uri.getQuery() == null ? "" : "?" + uri.getQuery();
        String jdbc = "jdbc:postgresql://" + uri.getHost() + ":" + port + uri.getPath() + query;
        return new Database(jdbc, user[0], user.length > 1 ? user[1] : "");
    }
}
