import java.sql.*;
import java.util.*;

/** What pgjdbc tells of a database: every column of every row, but for how large an index is. */
public class Metadata {
    static final Set<String> SIZES = Set.of("CARDINALITY", "PAGES");

    static void rows(String what, ResultSet r) throws SQLException {
        ResultSetMetaData d = r.getMetaData();
        StringJoiner labels = new StringJoiner(", ");
        for (int i = 1; i <= d.getColumnCount(); i++) labels.add(d.getColumnLabel(i));
        System.out.println(what + ": " + labels);
        while (r.next()) {
            StringJoiner cells = new StringJoiner(", ", what + " [", "]");
            for (int i = 1; i <= d.getColumnCount(); i++) {
                if (!SIZES.contains(d.getColumnLabel(i))) cells.add(String.valueOf(r.getString(i)));
            }
            System.out.println(cells);
        }
    }

    public static void main(String[] args) throws Exception {
        String address = "jdbc:postgresql://127.0.0.1:" + args[0] + "/caudal";
        try (Connection c = DriverManager.getConnection(address, "caudal", "caudal")) {
            DatabaseMetaData m = c.getMetaData();
            rows("table", m.getTables(null, "public", "%", null));
            rows("table", m.getTables(null, null, "read%", new String[] {"TABLE"}));
            rows("column", m.getColumns(null, "public", "%", "%"));
            rows("key", m.getPrimaryKeys(null, "public", "readings"));
            rows("index", m.getIndexInfo(null, "public", "readings", false, false));
            rows("index", m.getIndexInfo(null, "public", "per_circuit", true, true));
            rows("schema", m.getSchemas());
            rows("schema", m.getSchemas(null, "pub%"));
            rows("kind", m.getTableTypes());
            rows("imported", m.getImportedKeys(null, "public", "readings"));
            rows("exported", m.getExportedKeys(null, "public", "readings"));
            rows("cross", m.getCrossReference(null, "public", "readings", null, "public", "per_circuit"));
            rows("identifier", m.getBestRowIdentifier(null, "public", "readings", DatabaseMetaData.bestRowSession, false));
            rows("identifier", m.getBestRowIdentifier(null, "public", "strong", DatabaseMetaData.bestRowSession, true));
            rows("version", m.getVersionColumns(null, "public", "readings"));
            rows("privilege", m.getTablePrivileges(null, "public", "%"));
            rows("privilege", m.getColumnPrivileges(null, "public", "readings", "power_w"));
            rows("function", m.getFunctions(null, "public", "%"));
            rows("argument", m.getFunctionColumns(null, "public", "%", "%"));
            rows("procedure", m.getProcedures(null, null, "%"));
            rows("argument", m.getProcedureColumns(null, "public", "%", "%"));
            rows("some catalog", m.getCatalogs());
            rows("some type", m.getTypeInfo());
            // Of the functions that both have PostgreSQL says more: comments, and numbers of its own.
            ResultSet functions = m.getFunctions(null, "pg_catalog", "%");
            while (functions.next()) System.out.println("known " + functions.getString("FUNCTION_NAME"));
        }
    }
}
