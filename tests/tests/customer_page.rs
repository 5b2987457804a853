//! The customer's page of Home Assistant: credentials that see what is theirs and nothing else, are shown once and taken back at
//! once; and a check that says what is missing.

use gateway::credentials::Credentials;
use gateway::mqtt::Options;
use tests::chromium::Browser;
use tests::customer_page::{Reader, SCHEMA, fields};
use tests::http::Request;
use tests::mqtt::{Client, Connect, DISCONNECT, PUBLISH};
use tests::mqtt_node::{Node, node, node_at};
use tests::node::eventually;

const PAGE: &str = "/home-assistant/ana";

async fn with_customers() -> Node {
    let node = node().await;
    node.sql.batch_execute(SCHEMA).await.unwrap();
    let others = "
        CREATE USER eva PASSWORD 'de eva'; GRANT homes TO eva; ALTER ROLE eva SET caudal.subject = '18';
        CREATE USER meter PASSWORD 'm'; ALTER ROLE meter SET caudal.subject = '17';
        ALTER ROLE meter SET mqtt.publish = 'meters/{subject}/#';
        CREATE USER boss SUPERUSER PASSWORD 'b'; GRANT homes TO boss; ALTER ROLE boss SET caudal.subject = '1';
        CREATE USER nobody PASSWORD 'n'; GRANT homes TO nobody";
    node.sql.batch_execute(others).await.unwrap();
    node
}

fn ana(node: &Node) -> Reader {
    Reader::new(node.node.http, "ana", "de ana", PAGE)
}

/// A Home Assistant, as far as the door sees it.
async fn home(node: &Node, version: u8, user: &str, password: &str) -> Client {
    Client::enter(node.mqtt, &Connect::new(version, "home").as_user(user, password)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_says_what_is_missing_as_it_comes() {
    let node = with_customers().await;
    let reader = ana(&node);
    assert!(reader.get().await.body.contains("Primero cree un usuario"));
    let settings = reader.create().await;
    assert_eq!((settings.broker.as_str(), settings.port), ("127.0.0.1", node.mqtt.port()));
    let mut check = reader.follow().await;
    check.until("Sin conexión.").await;

    let connect = Connect::new(4, "home").as_user(&settings.user, "wrong");
    Client::ask(node.mqtt, &connect).await;
    check.until("Rechazado hace menos de un minuto, desde 127.0.0.1: la contraseña no es correcta.").await;
    let mut home = home(&node, 4, &settings.user, &settings.password).await;
    let said = check.until("Conectado desde 127.0.0.1, hace menos de un minuto.").await;
    assert!(said.contains("Todavía no pide la lista") && said.contains("Todavía no avisa"), "{said}");
    assert!(!said.contains("Rechazado"), "what is mended is not told any more: {said}");
    home.subscribe(&["homeassistant/status"]).await;
    home.subscribe(&["homeassistant/+/+/config", "homeassistant/+/+/+/config"]).await;
    for _ in 0..3 {
        home.expect(PUBLISH).await;
    }
    check.until("Ya pidió la lista de sus entidades.").await;
    check.until("Recibió 3 entidades.").await;
    assert!(home.publish("homeassistant/status", "online").await);
    check.until("Avisó que está en marcha, hace menos de un minuto.").await;
    node.sql.batch_execute("DELETE FROM meters WHERE customer = '17' AND circuit = 'nevera'").await.unwrap();
    check.until("Todavía no recibe ninguna entidad.").await;
    drop(home);
    check.until("Sin conexión.").await;

    // All of it is on the page too, for who has no JavaScript.
    assert!(reader.get().await.body.contains("Sin conexión."));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_see_what_is_their_customers_and_nothing_else() {
    let node = with_customers().await;
    let settings = ana(&node).create().await;
    let mut home = home(&node, 5, &settings.user, &settings.password).await;
    assert_eq!(home.subscribe(&["#"]).await, [2]);
    let mut topics = Vec::new();
    for _ in 0..9 {
        topics.push(home.expect(PUBLISH).await.message(5).0);
    }
    assert!(topics.iter().all(|topic| topic.contains("/17/")), "{topics:?}");
    assert!(!home.publish("caudal/17/nevera_20power/state", "0").await, "nor do they say what is");

    // Whoever the customer is later, its credentials are the same customer's.
    node.sql.batch_execute("ALTER ROLE ana SET caudal.subject = '18'").await.unwrap();
    let mut home = self::home(&node, 5, &settings.user, &settings.password).await;
    home.subscribe(&["homeassistant/+/+/+/config"]).await;
    for _ in 0..3 {
        assert!(home.expect(PUBLISH).await.message(5).0.contains("/18/"));
    }
    // And when the customer goes, they may nothing.
    node.sql.batch_execute("DROP ROLE ana").await.unwrap();
    assert_eq!(home.subscribe(&["homeassistant/+/+/+/config"]).await, [0x87]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_gone_at_once() {
    let node = with_customers().await;
    let reader = ana(&node);
    let (one, other) = (reader.create().await, reader.create().await);
    assert_ne!(one.user, other.user);
    let mut check = reader.follow().await;
    for version in [4, 5] {
        let settings = if version == 4 { &one } else { &other };
        let mut leaving = home(&node, version, &settings.user, &settings.password).await;
        check.until("Conectado desde").await;
        let page = reader.press(&format!("/credentials/{}/revoke", settings.user)).await;
        assert!(page.body.contains(&format!("El usuario {} ya no existe", settings.user)), "{page:?}");
        let told = leaving.receive().await;
        if version == 5 {
            assert!(
                told.is_some_and(|told| told.kind() == DISCONNECT && told.body[0] == 0x98),
                "administrative action"
            );
            assert_eq!(leaving.receive().await, None);
        } else {
            assert_eq!(told, None);
        }
        let connect = Connect::new(version, "home").as_user(&settings.user, &settings.password);
        assert_ne!(Client::ask(node.mqtt, &connect).await.1.unwrap().body[1], 0);
        assert!(!reader.get().await.body.contains(&format!("<code>{}</code>", settings.user)));
        assert_eq!(reader.press(&format!("/credentials/{}/revoke", settings.user)).await.status, 404, "once");
    }
    check.until("Primero cree un usuario").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_shown_once_and_kept_as_what_checks_it() {
    let node = with_customers().await;
    let reader = ana(&node);
    let settings = reader.create().await;
    let page = reader.get().await;
    assert!(page.body.contains(&settings.user) && !page.body.contains(&settings.password), "{}", page.body);
    assert_eq!(fields(&page.body)[3], ("Contraseña".to_owned(), "la que se le mostró en el paso 1".to_owned()));
    let secret = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{}'", settings.user);
    if let Ok(rows) = node.sql.simple_query(&secret).await {
        assert!(!format!("{rows:?}").contains(&settings.password));
    }
    for said in ["cache-control: no-store", "frame-ancestors 'none'", "x-content-type-options: nosniff"] {
        assert!(page.headers.contains(said), "{}", page.headers);
    }
    // They last, as all roles do.
    let node = node.restart_at("127.0.0.1:0").await;
    home(&node, 4, &settings.user, &settings.password).await;
    assert!(ana(&node).get().await.body.contains(&settings.user));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_its_customers_and_the_operators() {
    let node = with_customers().await;
    let http = node.node.http;
    let settings = ana(&node).create().await;
    let status = async |user: &str, password: &str, path: &str| {
        let answer = Request::new(http, "GET", path).as_user(user, password).send().await;
        (answer.status, answer.body)
    };
    assert_eq!(status("ana", "wrong", PAGE).await.0, 401);
    assert_eq!(status("ana", "de ana", "/home-assistant").await.0, 303, "to the own page");
    assert_eq!(status("ana", "de ana", PAGE).await.0, 200);
    for (user, password) in [("caudal", "caudal"), ("boss", "b")] {
        assert_eq!(status(user, password, PAGE).await.0, 200);
        let (_, list) = status(user, password, "/home-assistant").await;
        let listed: Vec<&str> =
            list.split("href=\"/home-assistant/").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        assert_eq!(listed, ["ana", "eva"], "{list}");
        assert_eq!(status(user, password, "/home-assistant/pedro").await.0, 404);
    }
    let refused = [
        ("eva", "de eva", PAGE, "es de otro cliente"),
        ("eva", "de eva", "/home-assistant/pedro", "es de otro cliente"),
        ("meter", "m", "/home-assistant", "faltan los permisos"),
        ("meter", "m", PAGE, "es de otro cliente"),
        ("nobody", "n", "/home-assistant/nobody", "de quién son sus datos"),
        ("boss", "b", "/home-assistant/boss", "entre con el usuario del cliente"),
        (&settings.user, &settings.password, "/home-assistant", "entre con el usuario del cliente"),
        (&settings.user, &settings.password, PAGE, "es de otro cliente"),
    ];
    for (user, password, path, words) in refused {
        let (status, body) = status(user, password, path).await;
        assert!(status == 403 && body.contains(words), "{user} {path}: {status} {body}");
    }
    // On loopback the operator need not say who it is, unless a name was made to lead here.
    assert_eq!(Request::new(http, "GET", PAGE).send().await.status, 200);
    let eva = Reader::new(http, "eva", "de eva", PAGE);
    assert_eq!(eva.press("/credentials").await.status, 403);
    assert_eq!(eva.press(&format!("/credentials/{}/revoke", settings.user)).await.status, 403);
    let own = Reader::new(http, "eva", "de eva", "/home-assistant/eva");
    assert_eq!(own.press(&format!("/credentials/{}/revoke", settings.user)).await.status, 404, "another's");
    assert_eq!(own.press("/credentials/eva/revoke").await.status, 404, "a role that the page has not made");
    home(&node, 4, &settings.user, &settings.password).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_changes_nothing() {
    let node = with_customers().await;
    let reader = ana(&node);
    let settings = reader.create().await;
    let revoke = format!("/credentials/{}/revoke", settings.user);
    let sites = [
        None,
        Some(("origin", "http://evil.example")),
        Some(("origin", "null")),
        Some(("sec-fetch-site", "cross-site")),
        Some(("sec-fetch-site", "same-site")),
    ];
    for header in sites {
        for below in ["/credentials", &revoke] {
            let answer = reader.press_from(below, header).await;
            assert!(answer.status == 403 && answer.body.contains("no vino de esta página"), "{header:?} {answer:?}");
        }
    }
    assert_eq!(reader.get().await.body.matches("/revoke\"").count(), 1);
    home(&node, 4, &settings.user, &settings.password).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_has_so_many_credentials_whatever_it_is_called() {
    let node = with_customers().await;
    let odd =
        "CREATE USER \"Señora <b>\"\"M\"\"</b> / 1\" PASSWORD 'x'; GRANT homes TO \"Señora <b>\"\"M\"\"</b> / 1\";
        ALTER ROLE \"Señora <b>\"\"M\"\"</b> / 1\" SET caudal.subject = '18'";
    node.sql.batch_execute(odd).await.unwrap();
    let path = "/home-assistant/Se%C3%B1ora%20%3Cb%3E%22M%22%3C%2Fb%3E%20%2F%201";
    let reader = Reader::new(node.node.http, "Señora <b>\"M\"</b> / 1", "x", path);
    let settings = reader.create().await;
    assert!(settings.user.starts_with("Señora <b>\"M\"</b> / 1-casa-"), "{settings:?}");
    for _ in 1..5 {
        reader.create().await;
    }
    let page = reader.press("/credentials").await;
    assert!(page.status == 409 && page.body.contains("revoque uno"), "{page:?}");
    let page = reader.get().await.body;
    assert!(!page.contains("<b>\"M\"") && page.contains("horno potencia") && !page.contains("nevera"), "{page}");
    let key = page.split("/credentials/").nth(1).unwrap().split_once("/revoke").unwrap().0;
    assert_eq!(reader.press(&format!("/credentials/{key}/revoke")).await.status, 200);
    assert_eq!(reader.get().await.body.matches("/revoke\"").count(), 4);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_how_the_door_is_reached() {
    let certificate = tests::certificate();
    let tls =
        gateway::tls::acceptor(&certificate.path().join("node.pem"), &certificate.path().join("node.key")).unwrap();
    let advertised = Some(("mqtt.teravolta.example".to_owned(), 8883));
    let credentials = Credentials::default();
    let node = node_at("127.0.0.1:0", Options { tls: Some(tls), advertised, credentials, ..Options::default() }).await;
    node.sql.batch_execute(SCHEMA).await.unwrap();
    let page = ana(&node).get().await.body;
    let shown = fields(&page);
    let expected = [("Bróker", "mqtt.teravolta.example"), ("Puerto", "8883")];
    assert_eq!(shown[..2], expected.map(|(label, value)| (label.to_owned(), value.to_owned())));
    let expected = [("Opciones avanzadas", "activado"), ("Validación del certificado del bróker", "Auto")];
    assert_eq!(shown[4..], expected.map(|(label, value)| (label.to_owned(), value.to_owned())));
    node.stop().await;

    let closed = tests::node::Node::start().await;
    closed.connect().await.batch_execute(SCHEMA).await.unwrap();
    let reader = Reader::new(closed.http, "ana", "de ana", PAGE);
    assert!(reader.get().await.body.contains("La puerta MQTT de este equipo está cerrada"));
    closed.stop().await;
}

/// Texts whose contrast with what is behind them is below 4.5 (WCAG 2, AA).
const FAINT: &str = r#"
    (() => {
        const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
        const behind = (one) => {
            for (let at = one; at; at = at.parentElement) {
                const colour = parts(getComputedStyle(at).backgroundColor);
                if (colour.length === 3 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
        };
        const texts = [...document.querySelectorAll("main *")].filter((one) =>
            [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && one.getClientRects().length);
        if (texts.length < 20) return ["too few texts"];
        return texts.filter((one) => {
            const [a, b] = [light(parts(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => b - a);
            return (a + 0.05) / (b + 0.05) < 4.5;
        }).map((one) => one.outerHTML);
    })()"#;

/// A node whose doors others reach, and the port of its HTTP door: everybody says who they are.
async fn exposed() -> (Node, u16) {
    let credentials = Credentials { user: "operator".to_owned(), password: "s3cret".to_owned() };
    let mut node = node_at("0.0.0.0:0", Options { credentials: credentials.clone(), ..Options::default() }).await;
    node.sql.batch_execute(SCHEMA).await.unwrap();
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = gateway::http::Options { credentials, clients: node.node.clients.clone(), ..Default::default() };
    let door = gateway::http::serve(listener, node.node.database.clone(), options, node.node.shutdown.clone());
    node.node.doors.push(tokio::spawn(door));
    (node, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_it_and_renews_it() {
    let mut browser = match Browser::start(390, 844) {
        Ok(browser) => browser,
        Err(why) => return tests::skip(why),
    };
    let (node, port) = exposed().await;
    browser.open(&format!("http://ana:de%20ana@caudal.test:{port}/home-assistant"));
    browser.until("location.pathname === '/home-assistant/ana' && document.readyState === 'complete'");
    assert_eq!(browser.value("document.documentElement.lang"), "es");
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.value(fits), true, "nothing sticks out");
    browser.value("document.querySelector('button.main').click()");
    browser.until("document.querySelector('.made') !== null && location.pathname === '/home-assistant/ana'");
    let user = browser.value("document.querySelectorAll('.made code')[0].textContent");
    let password = browser.value("document.querySelectorAll('.made code')[1].textContent");
    let (user, password) = (user.as_str().unwrap(), password.as_str().unwrap());
    browser.until("document.getElementById('live').textContent.includes('Sin conexión')");
    let broker = browser.value("document.querySelectorAll('ol dd')[0].textContent");
    assert_eq!(broker, "caudal.test", "as the browser has found the node");

    // It renews itself, and what is pressed is done.
    let mut home = home(&node, 5, user, password).await;
    browser.until("document.getElementById('live').textContent.includes('Conectado desde 127.0.0.1')");
    home.subscribe(&["homeassistant/+/+/+/config"]).await;
    for _ in 0..3 {
        home.expect(PUBLISH).await;
    }
    browser.until("document.getElementById('live').textContent.includes('Recibió 3 entidades')");
    assert_eq!(browser.value(fits), true);
    let small = "[...document.querySelectorAll('button, summary')].filter((one) => { const box = one.getBoundingClientRect(); \
        return box.height > 0 && box.height < 44; }).length";
    assert_eq!(browser.value(small), 0, "a finger finds them");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        assert_eq!(browser.value(FAINT), serde_json::json!([]), "all can be read in {scheme} colours");
        if let Some(folder) = std::env::var_os("CAUDAL_PICTURES") {
            browser.picture_to(&std::path::Path::new(&folder).join(format!("page-{scheme}.png")));
        }
    }
    browser.value("location.reload()");
    browser.until("document.readyState === 'complete' && document.querySelector('.made') === null");
    assert_eq!(browser.value("document.querySelectorAll('.users > li').length"), 1, "a reload makes no others");
    browser.value("document.querySelector('summary').click()");
    browser.value("document.querySelector('button.danger').click()");
    browser.until("document.querySelector('.notice') !== null");
    assert_eq!(browser.value(&format!("document.querySelector('.notice').textContent.includes('{user}')")), true);
    assert_eq!(home.expect(DISCONNECT).await.body[0], 0x98);

    // Without scripts the same is done by forms and links.
    browser.scripts(false);
    browser.open(&format!("http://caudal.test:{port}{PAGE}"));
    assert_eq!(browser.value("document.getElementById('again').hidden"), false);
    browser.value("document.querySelector('button.main').click()");
    browser.until("document.querySelector('.made') !== null");
    node.stop().await;
}

/// A page that is followed does not keep the node from ending, and sees that the door goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_followed_check_ends_with_the_node() {
    let node = with_customers().await;
    let reader = ana(&node);
    let mut check = reader.follow().await;
    check.until("Primero cree un usuario").await;
    let stopping = tokio::spawn(node.stop());
    while check.next().await.is_some() {}
    let started = std::time::Instant::now();
    stopping.await.unwrap();
    assert!(started.elapsed() < gateway::limits::SHUTDOWN_GRACE, "it did not have to be cut off");
}

/// Who follows is told when the page is not theirs any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_followed_by_who_may() {
    let node = with_customers().await;
    let mut check = ana(&node).follow().await;
    check.until("Primero cree un usuario").await;
    node.sql.batch_execute("REVOKE homes FROM ana").await.unwrap();
    while check.next().await.is_some() {}
    assert_eq!(ana(&node).get().await.status, 403);
    let mut open = Vec::new();
    for _ in 0..gateway::limits::HOME_ASSISTANT_FOLLOWERS_MAX {
        let mut check = Reader::new(node.node.http, "caudal", "caudal", "/home-assistant/eva").follow().await;
        check.until("Primero cree un usuario").await;
        open.push(check);
    }
    let full = Request::new(node.node.http, "GET", "/home-assistant/eva/check").send().await;
    assert!(full.status == 503 && full.body.contains("demasiadas páginas"), "{full:?}");
    drop(open);
    eventually("room again", async || {
        let page = Reader::new(node.node.http, "caudal", "caudal", "/home-assistant/eva");
        node.sql.batch_execute("SELECT 1").await.unwrap();
        let answer = Request::new(node.node.http, "HEAD", "/home-assistant/eva/check").send();
        (page.get().await.status == 200 && answer.await.status == 200).then_some(())
    })
    .await;
    node.stop().await;
}
