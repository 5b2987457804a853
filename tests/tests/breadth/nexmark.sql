-- q0
SELECT auction, bidder, price, date_time, extra FROM bid;
-- q1
SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid;
-- q2
SELECT auction, price FROM bid WHERE auction % 123 = 0;
-- q3
SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
WHERE a.category = 10 AND upper(p.state) IN ('OR', 'ID', 'CA');
-- q4
SELECT category, avg(final) AS average
FROM (SELECT a.id, a.category, max(b.price) AS final FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b.date_time BETWEEN a.date_time AND a.expires GROUP BY a.id, a.category) AS closed
GROUP BY category;
-- q5
WITH binned AS (SELECT auction, date_bin(INTERVAL '2 seconds', date_time) AS last FROM bid),
     hop AS (SELECT auction, last - back * INTERVAL '2 seconds' AS start FROM binned CROSS JOIN hops),
     counted AS (SELECT auction, start, count(*) AS num FROM hop GROUP BY auction, start),
     most AS (SELECT start, max(num) AS num FROM counted GROUP BY start)
SELECT counted.auction, counted.start, counted.num FROM counted JOIN most ON counted.start = most.start AND counted.num = most.num;
-- q6
WITH winning AS (SELECT a.seller, b.price, b.date_time, row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS n
                 FROM auction a JOIN bid b ON a.id = b.auction WHERE b.date_time BETWEEN a.date_time AND a.expires),
     last AS (SELECT seller, price, row_number() OVER (PARTITION BY seller ORDER BY date_time DESC, price) AS n FROM winning WHERE n <= 1)
SELECT seller, avg(price) AS average FROM last WHERE n <= 10 GROUP BY seller;
-- q7
SELECT b.auction, b.price, b.bidder, b.date_time
FROM bid b JOIN (SELECT date_bin(INTERVAL '10 seconds', date_time) AS start, max(price) AS price FROM bid
                 GROUP BY date_bin(INTERVAL '10 seconds', date_time)) AS highest
  ON b.price = highest.price AND date_bin(INTERVAL '10 seconds', b.date_time) = highest.start;
-- q8
SELECT p.id, p.name, p.start
FROM (SELECT id, name, date_bin(INTERVAL '10 seconds', date_time) AS start FROM person) AS p
JOIN (SELECT DISTINCT seller, date_bin(INTERVAL '10 seconds', date_time) AS start FROM auction) AS a
  ON p.id = a.seller AND p.start = a.start;
-- q9
SELECT id, item_name, seller, category, bidder, price, won_at
FROM (SELECT a.id, a.item_name, a.seller, a.category, b.bidder, b.price, b.date_time AS won_at,
             row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS n
      FROM auction a JOIN bid b ON a.id = b.auction WHERE b.date_time BETWEEN a.date_time AND a.expires) AS ranked
WHERE n <= 1;
-- q10
SELECT auction, bidder, price, date_time, date_trunc('day', date_time) AS day, date_trunc('minute', date_time) AS minute FROM bid;
-- q13
SELECT b.auction, b.bidder, b.price, b.date_time, s.value FROM bid b JOIN side s ON b.auction % 100 = s.key;
-- q14
SELECT auction, bidder, 0.908 * price AS price,
       CASE WHEN extract(hour FROM date_time) BETWEEN 8 AND 18 THEN 'day'
            WHEN extract(hour FROM date_time) <= 6 OR extract(hour FROM date_time) >= 20 THEN 'night' ELSE 'other' END AS bid_time,
       length(extra) - length(replace(extra, 'c', '')) AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;
-- q15
SELECT date_trunc('day', date_time) AS day, count(*) AS bids,
       count(*) FILTER (WHERE price < 10000) AS rank1, count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2,
       count(*) FILTER (WHERE price >= 1000000) AS rank3, count(DISTINCT bidder) AS bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders, count(DISTINCT auction) AS auctions
FROM bid GROUP BY date_trunc('day', date_time);
-- q16
SELECT channel, date_trunc('day', date_time) AS day, max(date_trunc('minute', date_time)) AS minute, count(*) AS bids,
       count(*) FILTER (WHERE price >= 1000000) AS rank3, count(DISTINCT bidder) AS bidders,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions
FROM bid GROUP BY channel, date_trunc('day', date_time);
-- q17
SELECT auction, date_trunc('day', date_time) AS day, count(*) AS bids, count(*) FILTER (WHERE price < 10000) AS rank1,
       min(price) AS least, max(price) AS most, avg(price) AS average, sum(price) AS total
FROM bid GROUP BY auction, date_trunc('day', date_time);
-- q18
SELECT auction, bidder, price, channel, date_time
FROM (SELECT auction, bidder, price, channel, date_time,
             row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC, price) AS n FROM bid) AS ranked
WHERE n <= 1;
-- q19
SELECT auction, bidder, price, channel, date_time, n
FROM (SELECT auction, bidder, price, channel, date_time,
             row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS n FROM bid) AS ranked
WHERE n <= 10;
-- q20
SELECT b.auction, b.bidder, b.price, b.channel, a.item_name, a.description, a.initial_bid, a.reserve, a.expires, a.seller
FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10;
-- q21
SELECT auction, bidder, price, channel,
       CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
            ELSE split_part(split_part(url, 'channel_id=', 2), '&', 1) END AS channel_id
FROM bid WHERE url LIKE '%channel_id=%' OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu');
-- q22
SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
FROM bid;
