CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT, email_address TEXT, credit_card TEXT, city TEXT, state TEXT, date_time TIMESTAMPTZ, extra TEXT);
CREATE TABLE auction (id BIGINT PRIMARY KEY, item_name TEXT, description TEXT, initial_bid BIGINT, reserve BIGINT, date_time TIMESTAMPTZ, expires TIMESTAMPTZ, seller BIGINT, category BIGINT, extra TEXT);
CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel TEXT, url TEXT, date_time TIMESTAMPTZ, extra TEXT);
CREATE TABLE side (key BIGINT PRIMARY KEY, value TEXT) WITH (max_rows = 1000);
CREATE TABLE hops (back BIGINT PRIMARY KEY) WITH (max_rows = 10);
INSERT INTO side SELECT 10 * a.back + b.back, 'side' FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS a (back), (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS b (back);
INSERT INTO hops VALUES (0), (1), (2), (3), (4);
