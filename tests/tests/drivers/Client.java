import java.sql.*;
import java.util.*;

public class Client {
    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + args[0] + "/caudal", "caudal", "caudal")) {
            DatabaseMetaData m = c.getMetaData();
            System.out.println(m.getDatabaseProductName() + " " + m.getDatabaseMajorVersion());
            PreparedStatement insert = c.prepareStatement("INSERT INTO readings (circuit, at, power_w, price) VALUES (?, ?, ?, ?)");
            for (int i = 0; i < 10; i++) {
                insert.setString(1, "j");
                insert.setObject(2, java.time.OffsetDateTime.parse("2026-01-02T03:04:0" + i + "Z"));
                insert.setDouble(3, i);
                insert.setBigDecimal(4, new java.math.BigDecimal("1.25"));
                insert.addBatch();
            }
            System.out.println(Arrays.toString(insert.executeBatch()));
            c.setAutoCommit(false);
            PreparedStatement select = c.prepareStatement("SELECT circuit, at, power_w, price, 1 = 1 FROM readings WHERE circuit = ? ORDER BY at");
            select.setFetchSize(3);
            for (int run = 0; run < 7; run++) {
                select.setString(1, "j");
                ResultSet r = select.executeQuery();
                int count = 0; double sum = 0;
                while (r.next()) { count++; sum += r.getDouble(3); r.getTimestamp(2); r.getBigDecimal(4); r.getBoolean(5); }
                System.out.println(count + " " + sum);
            }
            ResultSetMetaData d = select.getMetaData();
            System.out.println(d.getColumnName(1) + " " + d.getColumnTypeName(2) + " " + d.getPrecision(4) + " " + d.getScale(4) + " " + d.getColumnLabel(5));
            c.commit();
            c.setReadOnly(true);
            try { c.createStatement().execute("INSERT INTO readings VALUES ('x', now(), 1, 1)"); } catch (SQLException e) { System.out.println(e.getSQLState()); }
            c.rollback();
        }
    }
}
