-- A database of a much older version: without the columns that tables have got since, without the tables that came
-- later, with the full-text table and the indexes of that time.
--
-- Never change this file: it stands for databases that exist.
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE "user" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "login" varchar NOT NULL UNIQUE, "name" varchar NOT NULL, "email" varchar NOT NULL, "team" varchar NOT NULL, "administrator" boolean NOT NULL, "disabled" boolean NOT NULL, "password" varchar NOT NULL);
INSERT INTO "user" VALUES (1,'mara','Mara Lindqvist','mara.lindqvist@northwind.example','First line',1,0,'$argon2id$v=19$m=19456,t=2,p=1$AGHsHvxPsC9kz3iJCAX8ZA$fd20pfDN5bN+Q8d2tgp+iTxa3Rihv3ORSkQNQVEvT/w');
INSERT INTO "user" VALUES (2,'tom','Tom Becker','tom.becker@northwind.example','First line',0,0,'$argon2id$v=19$m=19456,t=2,p=1$cV4GsGLwmVkJiAuIJSSptw$CdjiyOV50DAbiC2NZ9XqD+AqnfkJSn8X3IvDDRqgMIM');
INSERT INTO "user" VALUES (3,'yusuf','Yusuf Özgür','yusuf.oezguer@northwind.example','Field service',0,1,'$argon2id$v=19$m=19456,t=2,p=1$u5E0D1Fj801/JJjKSSt9dA$bGnT+N9a0q4voNo7vPp4pOZp2IEoJflYq1rxM68DIlk');
CREATE TABLE "login" ( "hash" varchar NOT NULL PRIMARY KEY, "user" integer NOT NULL, "until" integer NOT NULL);
INSERT INTO "login" VALUES ('291fff6402cfdc3ddda4c6c8d198e04fcf6ae4c7b99c9e70fb4814dce552aff5',1,1793037600000);
INSERT INTO "login" VALUES ('e58017476e6a489077c1437b6829103bb42659c32550fa9809bd7618f68df1a8',2,1793043600000);
CREATE TABLE "customer" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar NOT NULL, "email" varchar NOT NULL, "company" varchar NOT NULL);
INSERT INTO "customer" VALUES (1,'Ada Löwenstein','Ada@bücher.example','Bücher & Söhne');
INSERT INTO "customer" VALUES (2,'王小明','wang.xiaoming@printing.example','蓝天印刷');
INSERT INTO "customer" VALUES (3,'Chris O''Neil','chris.oneil@harbour.example','');
CREATE TABLE "incident" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "customer" integer NOT NULL, "subject" varchar NOT NULL, "description" text NOT NULL, "status" varchar NOT NULL, "priority" varchar NOT NULL, "owner" integer, "team" varchar NOT NULL, "created" integer NOT NULL, "updated" integer NOT NULL);
INSERT INTO "incident" VALUES (1,1,'Drucker im Büro, Straße 5: Größe A3','The printer takes A4 only.
Since the move; it''s the one by the window.','in_progress','normal',2,'First line',1793002200000,1793007300000);
INSERT INTO "incident" VALUES (2,2,'打印机卡纸','请重启打印机谢谢','waiting','high',NULL,'First line',1793002800000,1793006400000);
INSERT INTO "incident" VALUES (3,3,'VPN drops at 50%','Everything after "connecting…" stays grey.','resolved','low',1,'Field service',1793003400000,1793013600000);
CREATE TABLE "journal" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "incident" integer NOT NULL, "at" integer NOT NULL, "kind" varchar NOT NULL, "author" varchar NOT NULL, "text" text NOT NULL, "session" varchar, "mail" integer );
INSERT INTO "journal" VALUES (1,1,1793002200000,'change','Mara Lindqvist','created the incident',NULL,NULL);
INSERT INTO "journal" VALUES (2,1,1793004000000,'mail','Tom Becker','',NULL,1);
INSERT INTO "journal" VALUES (3,1,1793004000000,'remote_support','Tom Becker','','51515151515151515151515151515151',NULL);
INSERT INTO "journal" VALUES (5,3,1793013600000,'note','Mara Lindqvist','The firmware of the router was from 2019.
Replaced; works.',NULL,NULL);
CREATE TABLE "session" ( "id" varchar NOT NULL PRIMARY KEY, "incident" integer NOT NULL, "created" integer NOT NULL, "key_hash" varchar, "link_hash" varchar, "stored" boolean NOT NULL );
INSERT INTO "session" VALUES ('51515151515151515151515151515151',1,1793004000000,NULL,NULL,1);
INSERT INTO "session" VALUES ('52525252525252525252525252525252',2,1793005800000,'02bf1def623065be6edbee1f06462e1bc34f5f0fa3f5f285d2745006c74f61f8','01f35a8222747ea5f0594712735384fa8b28e081b5180c292a2c96290d748424',0);
CREATE TABLE "event" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "session" varchar NOT NULL, "seq" integer NOT NULL, "at" integer NOT NULL, "body" text NOT NULL, "hash" varchar NOT NULL );
INSERT INTO "event" VALUES (1,'51515151515151515151515151515151',1,1793004000000,'{"type":"created","incident":{"id":1,"number":"INC-1001","subject":"Drucker im Büro, Straße 5: Größe A3","customer":"Ada Löwenstein"},"owner":{"id":2,"name":"Tom Becker"},"organisation":"Northwind Support","rules":{"name":"Default","rights":["view","control","files","clipboard","shell","system_info","restart","elevate"],"record":false,"unrecorded":"stop_sharing"}}','1094abf6a1489f50d97a1bafb8e575efc511d434a20ba881b636a77fd7aa6800');
INSERT INTO "event" VALUES (2,'51515151515151515151515151515151',2,1793004000000,'{"type":"key_issued","by":{"id":2,"name":"Tom Becker"},"key_until":1793004900000,"link_until":1793090400000}','4f0c3792590f1bdb964e35955630bc03a77b40d3fdf468a27000b55ee622516d');
INSERT INTO "event" VALUES (3,'51515151515151515151515151515151',3,1793004060000,'{"type":"joined","id":1,"role":"technician","name":"Tom Becker","client":"console","user":2,"rights":[]}','063af7547ed83637738bb1bf02d5a6824613592e84bd218defa313d3bd2b8e8c');
INSERT INTO "event" VALUES (4,'51515151515151515151515151515151',4,1793004180000,'{"type":"joined","id":2,"role":"customer","name":"Ada Löwenstein","client":"program","user":null,"rights":[]}','b109d7e6093c8cf6081a4ab8ebe37a35599a2486597fc52b9878810a2a68a640');
INSERT INTO "event" VALUES (5,'51515151515151515151515151515151',5,1793004240000,'{"type":"chat","from":2,"text":"Der Drucker im Büro druckt nur A4","nonce":1}','46cf78709983b7f0595dea092aeca3c65af50c81a2cfc3b099cd0fc6f789a0a9');
INSERT INTO "event" VALUES (6,'51515151515151515151515151515151',6,1793004300000,'{"type":"chat","from":1,"text":"May I see your screen? It''s quick.","nonce":2}','93ce47cb5a77468d755051d8097bc710bd0d2adebabbdc06935782e5d304b312');
INSERT INTO "event" VALUES (7,'51515151515151515151515151515151',7,1793004360000,'{"type":"asked","by":1,"rights":["view","control"]}','d78132deecfcb8bdeb97bdd99a43235f6879974a93707807eb60d5eeba73f0fd');
INSERT INTO "event" VALUES (8,'51515151515151515151515151515151',8,1793004420000,'{"type":"granted","by":2,"rights":["view"]}','c490baefb52b39102955995984cf4501d967ae85e431fbd80161ca65a3cfb087');
INSERT INTO "event" VALUES (9,'51515151515151515151515151515151',9,1793004420000,'{"type":"sharing_started","width":1920,"height":1080,"recorded":false}','5b18979da762108655953c5b619664233c41b4b58804f150d83d51efa994026c');
INSERT INTO "event" VALUES (10,'51515151515151515151515151515151',10,1793005200000,'{"type":"sharing_stopped"}','746d0b004af3140c0c8bca0051008a03cacc1d91e12d0d73e3e4fa1c8346e2ac');
INSERT INTO "event" VALUES (11,'51515151515151515151515151515151',11,1793005260000,'{"type":"ended","how":"closed","by":{"id":2,"name":"Tom Becker"}}','4725ffad17567b3caee00aa2cd560f85058b2815d4caeaedf39d18b3d1279a5d');
INSERT INTO "event" VALUES (12,'52525252525252525252525252525252',1,1793005800000,'{"type":"created","incident":{"id":2,"number":"INC-1002","subject":"打印机卡纸","customer":"王小明"},"owner":{"id":1,"name":"Mara Lindqvist"},"organisation":"Northwind Support","rules":{"name":"Default","rights":["view","control","files","clipboard","shell","system_info","restart","elevate"],"record":false,"unrecorded":"stop_sharing"}}','30fa41170b10c20105744292d13a23f7d274a21b37fdbaec9eee1cfe05dd35a7');
INSERT INTO "event" VALUES (13,'52525252525252525252525252525252',2,1793005800000,'{"type":"key_issued","by":{"id":1,"name":"Mara Lindqvist"},"key_until":1793006700000,"link_until":1793092200000}','97a0dca343603f539d4dac5f8a25308595d1e73785a3b69ffcef9b2df8a0576a');
INSERT INTO "event" VALUES (14,'52525252525252525252525252525252',3,1793005860000,'{"type":"joined","id":1,"role":"customer","name":"王小明","client":"browser","user":null,"rights":[]}','9fd4d88d2b6864bc5cdafdc85ca3033a28b24fecdc0c16dbbbeff4dbab98e55d');
INSERT INTO "event" VALUES (15,'52525252525252525252525252525252',4,1793005920000,'{"type":"chat","from":1,"text":"请重启打印机谢谢","nonce":3}','ea8351c72b71780bf70b1a3ca0f00d2a386c0031e90eee7b663d795b99fc3895');
INSERT INTO "event" VALUES (16,'52525252525252525252525252525252',5,1793005980000,'{"type":"expert_invited","by":{"id":1,"name":"Mara Lindqvist"},"invitation":{"number":1,"name":"Dana Ruiz","rights":["view"],"until":1793043600000}}','33e5274d71334c639b46bcbbf640085891605d5fb327d863c0f8c60c93b2f097');
INSERT INTO "event" VALUES (17,'52525252525252525252525252525252',6,1793006100000,'{"type":"held","by":{"id":1,"name":"Mara Lindqvist"}}','72c6f465663d6ca88cc7db53723b33d3a75ae47555c71342dd3e32b56926118f');
CREATE TABLE "seal" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "session" varchar NOT NULL, "at" integer NOT NULL, "body" text NOT NULL );
INSERT INTO "seal" VALUES (1,'51515151515151515151515151515151',1793005320000,'{"session":"51515151515151515151515151515151","seq":11,"hash":"4725ffad17567b3caee00aa2cd560f85058b2815d4caeaedf39d18b3d1279a5d","at":1793005320000,"key":"fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618","signature":"eee0002175a61fda492088fefb38bd73bee8e46cbd6e672df93976e9c6cda50f68a37d3e511bfb47ecbd13314a2bd107aa87e3cb9b5d75d0dc6c4bcdf78b6008"}');
CREATE TABLE "past" ( "session" varchar NOT NULL PRIMARY KEY, "incident" integer NOT NULL, "number" varchar NOT NULL, "subject" varchar NOT NULL, "kind" varchar NOT NULL, "customer" varchar NOT NULL, "owner" integer NOT NULL, "owner_name" varchar NOT NULL, "team" varchar NOT NULL, "people" varchar NOT NULL, "started" integer NOT NULL, "ended" integer NOT NULL, "ending" varchar NOT NULL, "joined" boolean NOT NULL, "waited" integer NOT NULL, "handled" integer NOT NULL, "messages" integer NOT NULL, "files" integer NOT NULL, "transfers" integer NOT NULL, "holds" integer NOT NULL, "rating" integer, "held" boolean NOT NULL, "recording_bytes" integer );
INSERT INTO "past" VALUES ('51515151515151515151515151515151',1,'INC-1001','Drucker im Büro, Straße 5: Größe A3','Hardware','Ada Löwenstein',2,'Tom Becker','First line',',2,',1793004000000,1793005260000,'closed',1,180000,1080000,2,0,0,0,5,1,NULL);
CREATE TABLE "tombstone" ( "session" varchar NOT NULL PRIMARY KEY, "body" text NOT NULL, "done" boolean NOT NULL );
INSERT INTO "tombstone" VALUES ('53535353535353535353535353535353','{"session":"53535353535353535353535353535353","at":1793014800000,"by":"Mara Lindqvist","reason":"The customer asked for it.","entries":9,"head":"54bcafc99b6aec16702016fecba4401359d39a8e04b3eced1fc7ff24d9a1ad44","key":"fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618","signature":"753d8898f67650fb1483f4223b8ac762cdbee1f506957412cc1090f851dd5b358c22ee913bb9bbda8cb5dbb2140aad96103a2503570cf9c6deefaef12623af0d"}',1);
CREATE TABLE "admission" ( "hash" varchar NOT NULL PRIMARY KEY, "session" varchar NOT NULL, "participant" integer NOT NULL, "handover" boolean NOT NULL, "until" integer NOT NULL );
INSERT INTO "admission" VALUES ('46ebcb88dcf27f66aa0e3f42d2000318185ba8159f7bb10eacbf15d2a9f0622a','52525252525252525252525252525252',1,0,1793061600000);
CREATE TABLE "mail" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "incident" integer NOT NULL, "at" integer NOT NULL, "sender" varchar NOT NULL, "recipient" varchar NOT NULL, "subject" varchar NOT NULL, "text" text NOT NULL, "html" text NOT NULL, "sent" boolean NOT NULL);
INSERT INTO "mail" VALUES (1,1,1793004000000,'Northwind Support <support@northwind.example>','Ada@bücher.example','[INC-1001] Drucker im Büro, Straße 5: Größe A3: your support session','Dear Ada Löwenstein,

Tom Becker from Northwind Support is ready to help you.
','<p>Dear Ada Löwenstein,</p><p>Tom Becker from Northwind Support is ready to help you.</p>',1);
CREATE TABLE "setting" ( "id" integer NOT NULL PRIMARY KEY, "body" text NOT NULL );
INSERT INTO "setting" VALUES (1,'{"organisation":"Northwind Support","key_minutes":15,"link_hours":24,"record":false}');
INSERT INTO "setting" VALUES (4,'{"roles":[{"id":1,"name":"Trainee","rights":["view"]}],"policies":[]}');
CREATE TABLE "canned" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "title" varchar NOT NULL, "text" text NOT NULL, "team" varchar NOT NULL );
INSERT INTO "canned" VALUES (1,'Greeting','Hello, this is the service desk. How can I help?','');
INSERT INTO "canned" VALUES (2,'Restart','Please save your work; I''ll restart the computer.','First line');
CREATE TABLE "expert" ( "hash" varchar NOT NULL PRIMARY KEY, "session" varchar NOT NULL, "number" integer NOT NULL, "until" integer NOT NULL );
INSERT INTO "expert" VALUES ('3e19b6375324d9c7fbe7945017743771d29bffaaa405164b12ea2d0c209456bb','52525252525252525252525252525252',1,1793043600000);
CREATE VIRTUAL TABLE words USING fts5(session UNINDEXED, at UNINDEXED, who UNINDEXED, text, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO "words" (session, at, who, text) VALUES ('51515151515151515151515151515151',1793004240000,'Ada Löwenstein','Der Drucker im Büro druckt nur A4');
INSERT INTO "words" (session, at, who, text) VALUES ('51515151515151515151515151515151',1793004300000,'Tom Becker','May I see your screen? It''s quick.');
CREATE INDEX journal_incident ON journal (incident);
CREATE INDEX session_incident ON session (incident);
CREATE INDEX event_session ON event (session);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('canned',2);
INSERT INTO sqlite_sequence VALUES ('customer',3);
INSERT INTO sqlite_sequence VALUES ('event',17);
INSERT INTO sqlite_sequence VALUES ('incident',3);
INSERT INTO sqlite_sequence VALUES ('journal',5);
INSERT INTO sqlite_sequence VALUES ('mail',1);
INSERT INTO sqlite_sequence VALUES ('seal',1);
INSERT INTO sqlite_sequence VALUES ('user',3);
COMMIT;
